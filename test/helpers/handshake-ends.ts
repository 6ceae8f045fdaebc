import { node } from '../../backends/node.js';
import { fingerprintOf } from '../../src/core/encodings/fingerprint.js';
import { spkiOf } from './sealed-ends.js';

export const serverFingerprint = fingerprintOf(node, spkiOf('server2048'));
export const clientFingerprint = fingerprintOf(node, spkiOf('client2048'));
