import type { Wire } from './misbehaving-peer.js';
import { X25519 } from './misbehaving-peer-crypto.js';
import type { Recorder } from './recorder.js';
import { settle } from './sealed-ends.js';

/** An end as its peer sees it. PINGs are answered at once, as a connection would do. */
export function wireTo(end: Recorder, suite: number = X25519): Wire {
  const takeWritten = async (): Promise<Buffer> => {
    await settle(end);
    for (; end.answers > 0; end.answers--) end.write(end.opening?.sender.pong?.() ?? []);
    const finalBytes = end.finalBytes ?? [];
    end.finalBytes = undefined;
    return Buffer.concat([end.takeWritten(), ...finalBytes]);
  };
  return {
    suite,
    send: (bytes) => {
      end.session.receive(bytes);
      return takeWritten();
    },
    end: () => {
      end.session.endOfStream();
      return takeWritten();
    },
  };
}
