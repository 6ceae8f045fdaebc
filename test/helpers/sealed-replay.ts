import { node } from '../../backends/node.js';
import type { Recorder } from './recorder.js';
import { clientEnd, privateKey, serverEnd } from './sealed-ends.js';
import { bytes, replay, replaySigner, type SealedVector, suiteNamesIn } from './sealed-vectors.js';

/** A client that repeats its part of a vector, started. */
export async function replayClient(vector: SealedVector): Promise<Recorder> {
  const { backend, mlKem768 } = await replay(node, vector, 'client');
  const identity = vector.client_spki && {
    spki: bytes(vector.client_spki),
    key: replaySigner(privateKey(node, 'client2048'), vector),
  };
  const end = clientEnd({
    ...{ backend, mlKem768, suites: suiteNamesIn(vector.suites), grease: vector.suites.includes(0x0a0a) },
    ...(identity && { identity }),
  });
  end.session.start();
  return end;
}

/** A server that repeats its part of a vector, started. */
export async function replayServer(vector: SealedVector): Promise<Recorder> {
  const { backend, mlKem768 } = await replay(node, vector, 'server');
  const name = `server${vector.server_bits}` as 'server2048' | 'server3072' | 'server4096';
  const end = serverEnd({
    ...{ backend, mlKem768, suites: suiteNamesIn([vector.suite]) },
    ...{ spki: bytes(vector.server_spki), key: privateKey(node, name) },
  });
  end.session.start();
  return end;
}
