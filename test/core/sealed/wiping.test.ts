import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Aead, Backend, KeyEncapsulation } from '../../../src/backend.js';
import { laterKem } from '../../helpers/later-kem.js';
import { clientEnd, identity, openPair } from '../../helpers/sealed-ends.js';

const kem = await node.mlKem768();

/** The node backend, which says of its ciphers and fresh keys how many there were and how many are left. */
function countWipes(form: 'immediate' | 'later' = 'immediate'): {
  backend: Backend;
  mlKem768: KeyEncapsulation | undefined;
  made: string[];
  left: () => string[];
} {
  const made: string[] = [];
  const wiped: string[] = [];
  const onWipe = (name: string): (() => void) => {
    const own = `${name} ${made.length}`;
    made.push(own);
    return () => void wiped.push(own);
  };
  const countAead = (aead: Aead): Aead => {
    return {
      seal: (...given) => aead.seal(...given),
      open: (nonce, header, ciphertext) => aead.open(nonce, header, ciphertext),
      wipe: onWipe('cipher'),
    };
  };
  const x25519 = (): ReturnType<Backend['x25519']> => {
    const own = node.x25519();
    return { publicKey: own.publicKey, agree: (peer) => own.agree(peer), wipe: onWipe('x25519') };
  };
  const keyPair = (): ReturnType<KeyEncapsulation['keyPair']> => {
    const own = kem.keyPair();
    return {
      encapsulationKey: own.encapsulationKey,
      decapsulate: (ciphertext) => own.decapsulate(ciphertext),
      wipe: onWipe('ML-KEM'),
    };
  };
  const mlKem768: KeyEncapsulation = { keyPair, encapsulate: (key) => kem.encapsulate(key) };
  return {
    backend: {
      ...{ ...node, x25519, mlKem768Later: form === 'later' ? laterKem(mlKem768) : undefined },
      aesGcm: (key) => countAead(node.aesGcm(key)),
      chaCha20Poly1305: (key) => countAead(node.chaCha20Poly1305(key)),
    },
    mlKem768: form === 'later' ? undefined : mlKem768,
    made,
    left: () => made.filter((each) => !wiped.includes(each)),
  };
}

const suites = ['X25519MLKEM768', 'X25519'] as const;

describe.each(['immediate', 'later'] as const)('the keys of a handshake, ML-KEM %s,', (form) => {
  it('are wiped when the connection is open, which keeps a cipher for each direction', async () => {
    const [ours, theirs] = [countWipes(form), countWipes(form)];
    const { client, server } = await openPair({ ...ours, suites }, { ...theirs, suites });
    expect([client.opening?.suite, server.opening?.suite]).toEqual([suites[0], suites[0]]);
    for (const end of [ours, theirs]) {
      expect(end.made.length).toBeGreaterThanOrEqual(7);
      // the last two made are those of the open connection
      expect(end.left()).toEqual(end.made.slice(-2));
    }
    client.opening?.sender.close(0);
    client.session.stop();
    expect(ours.left()).toEqual([]);
  });

  it('are wiped when the server is not trusted, or the client not admitted', async () => {
    for (const [trusted, admitted] of [
      [false, true],
      [true, false],
    ] as const) {
      const [ours, theirs] = [countWipes(form), countWipes(form)];
      const { client, server } = await openPair(
        { ...ours, suites, identity: identity(node), decide: () => trusted },
        { ...theirs, suites, authorize: () => admitted },
      );
      client.session.stop();
      server.session.stop();
      expect([client.opening, server.opening]).toEqual([undefined, undefined]);
      expect([ours.left(), theirs.left()]).toEqual([[], []]);
    }
  });

  it('are wiped when there was no answer at all', async () => {
    const ours = countWipes(form);
    const client = clientEnd({ ...ours, suites });
    client.session.start();
    await client.settle();
    expect(ours.left()).toHaveLength(2);
    client.session.stop();
    expect(ours.left()).toEqual([]);
  });

  it('need not be of a backend that can wipe them', async () => {
    const { client, server } = await openPair(
      { backend: { ...node }, mlKem768: { ...kem, keyPair: () => withoutWipe(kem.keyPair()) }, suites },
      { mlKem768: kem, suites },
    );
    expect([client.opening?.suite, server.opening?.suite]).toEqual([suites[0], suites[0]]);
  });
});

function withoutWipe(pair: ReturnType<KeyEncapsulation['keyPair']>): ReturnType<KeyEncapsulation['keyPair']> {
  return {
    encapsulationKey: pair.encapsulationKey,
    decapsulate: (ciphertext) => pair.decapsulate(ciphertext),
  };
}
