import { classicClient } from '../core/classic/scripts.js';
import type { ProtectMemory } from '../core/message-memory.js';
import type { PeerKey, Script } from '../core/script.js';
import { trustPins } from '../trust/trust.js';
import { classicWarning } from './classic-warning.js';
import { keylogOf } from './script-options.js';
import type { ClientSettings } from './settings.js';
import { warnOnce } from './warnings.js';

/** The script of one classic connection. Apart, since most programs do not load it. */
export function classicClientScript(
  settings: ClientSettings,
  protectMemory: ProtectMemory | undefined,
): Script {
  const { backend, keyLength, maxMessage, minModulusBits, settleMs, serverKey } = settings;
  warnOnce(classicWarning);
  const trust =
    serverKey === undefined ? undefined : trustPins(typeof serverKey === 'string' ? [serverKey] : serverKey);
  const decide = trust && (({ spki, fingerprint }: PeerKey) => trust.decide(spki, fingerprint));
  return classicClient({
    keylog: keylogOf(settings),
    backend,
    keyLength,
    maxMessage,
    minModulusBits,
    settleMs,
    decide,
    protectMemory,
  });
}
