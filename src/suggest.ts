/** The known name that was most likely meant by one that there is not: what others call it, or one with few other letters. */
export function meantName(name: string, known: readonly string[]): string | undefined {
  const here = Object.hasOwn(elsewhere, name) ? (elsewhere[name] ?? []) : [];
  const found = here.filter((one) => known.includes(one));
  if (found.length === 0) return suggestion(name, known);
  const isWait = name === 'timeout' && found[0] === 'signal';
  return isWait ? 'signal: AbortSignal.timeout(milliseconds)' : found.join(' or ');
}

/** How `net`, `tls`, `ws`, `ssh2`, Noise libraries and Python call what has another name here. */
const elsewhere: Readonly<Record<string, readonly string[]>> = {
  timeout: ['handshakeTimeout', 'idleTimeout', 'signal'],
  readyTimeout: ['handshakeTimeout'],
  hostname: ['host'],
  address: ['host'],
  localAddress: ['host'],
  socketPath: ['path'],
  fingerprint: ['serverKey'],
  pin: ['serverKey'],
  publicKey: ['serverKey'],
  remotePublicKey: ['serverKey'],
  ca: ['serverKey', 'authorizedKeys'],
  checkServerIdentity: ['verifyServer'],
  hostVerifier: ['verifyServer'],
  key: ['identity'],
  cert: ['identity'],
  pfx: ['identity'],
  privateKey: ['identity'],
  keyPair: ['identity'],
  hostKeys: ['identity'],
  requestCert: ['authorizedKeys'],
  maxPayload: ['maxMessage'],
  bits: ['modulusLength'],
  keySize: ['modulusLength'],
};

/** The word of a list that was most likely meant: one in which at most a third of the letters differ, however they are written. */
export function suggestion(word: string, words: readonly string[]): string | undefined {
  let best: string | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const one of words) {
    const max = Math.max(1, Math.floor(one.length / 3));
    // no other length comes from so few changes, and a word may be very long
    if (Math.abs(word.length - one.length) > max) continue;
    const changes = distance(word.toLowerCase(), one.toLowerCase());
    if (changes <= max && changes < fewest) [best, fewest] = [one, changes];
  }
  return best;
}

/** The number of letters to insert, remove, replace or swap with a neighbour (optimal string alignment distance). */
function distance(from: string, to: string): number {
  let [before, row]: number[][] = [[], Array.from({ length: to.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const cost = from[i - 1] === to[j - 1] ? 0 : 1;
      let min = Math.min(at(next, j - 1) + 1, at(row, j) + 1, at(row, j - 1) + cost);
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      if (isSwap) min = Math.min(min, at(before, j - 2) + 1);
      next.push(min);
    }
    [before, row] = [row ?? [], next];
  }
  return at(row, to.length);
}

function at(row: readonly number[] | undefined, index: number): number {
  return row?.[index] ?? Number.POSITIVE_INFINITY;
}
