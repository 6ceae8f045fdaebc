import type { LaterKeyAgreement } from '../src/backend.js';
import { requireLength } from './checks.js';
import { isNamed, nodeMajor, type Subtle, subtle } from './web-crypto.js';
import { loadNoble } from './web-loading.js';

const X25519 = { name: 'X25519' };

/** Before 24 Node has it as an experiment, and says so at every first use. */
const isOldNode = nodeMajor !== undefined && nodeMajor < 24;

let platform: Subtle | undefined = isOldNode ? undefined : subtle;

/** A fresh key pair of the platform, or of JavaScript where it has none: Chromium before 133, Firefox before 130. */
export async function x25519Later(): Promise<LaterKeyAgreement> {
  if (platform === undefined) return inJavaScript();
  try {
    return await ofPlatform(platform);
  } catch (error) {
    // Web Cryptography 18.4.4: an algorithm that it does not know
    if (!isNamed(error, 'NotSupportedError')) throw error;
    platform = undefined;
    return inJavaScript();
  }
}

async function ofPlatform(platform: Subtle): Promise<LaterKeyAgreement> {
  const { publicKey, privateKey } = await platform.generateKey(X25519, false, ['deriveBits']);
  return {
    publicKey: new Uint8Array(await platform.exportKey('raw', publicKey)),
    async agree(peerPublicKey) {
      requireLength('X25519 public key', peerPublicKey, 32);
      const peer = await platform.importKey('raw', new Uint8Array(peerPublicKey), X25519, false, []);
      try {
        const how = { ...X25519, public: peer };
        return new Uint8Array(await platform.deriveBits(how, privateKey, 256));
      } catch (error) {
        // Web Cryptography, X25519, derive bits: the secret is all zero
        if (isNamed(error, 'OperationError')) return null;
        throw error;
      }
    },
  };
}

async function inJavaScript(): Promise<LaterKeyAgreement> {
  const own = (await loadNoble()).x25519();
  return {
    publicKey: own.publicKey,
    agree: async (peerPublicKey) => own.agree(peerPublicKey),
    wipe: () => own.wipe?.(),
  };
}
