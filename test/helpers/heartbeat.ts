import { Heartbeat, type HeartbeatSettings } from '../../src/connection/heartbeat.js';

/** A heartbeat, and what came of it. */
export interface Watch {
  readonly heartbeat: Heartbeat;
  /** What it has sent, and the codes of its errors, in order. */
  readonly seen: string[];
  readonly messages: string[];
  /** Bytes that the peer has yet to take. */
  readonly unsent: { bytes: number };
}

/** A heartbeat that asks after 30 seconds and waits 20 for the answer, unless told otherwise. */
export function watch(settings: Partial<HeartbeatSettings> = {}, hasHeartbeat = true): Watch {
  const seen: string[] = [];
  const messages: string[] = [];
  const unsent = { bytes: 0 };
  const heartbeat = new Heartbeat(
    { pingInterval: 30_000, pingTimeout: 20_000, idleTimeout: 0, ...settings },
    {
      ping: () => seen.push('ping'),
      pong: () => seen.push('pong'),
      unsent: () => unsent.bytes,
    },
    (error) => {
      seen.push(error.code);
      messages.push(error.message);
    },
    hasHeartbeat,
  );
  return { heartbeat, seen, messages, unsent };
}
