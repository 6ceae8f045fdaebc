import type { Transport, TransportEvents } from 'secure-sockets';

interface Log {
  readonly events: string[];
  readonly received: () => number;
  error: (Error & { code?: string }) | undefined;
}

export function record(transport: Transport): Log {
  let received = 0;
  const log: Log = { events: [], received: () => received, error: undefined };
  const events: TransportEvents = {
    data: (bytes) => {
      received += bytes.length;
    },
    end: () => void log.events.push('end'),
    written: () => {},
    close: (error) => {
      log.events.push('close');
      log.error = error;
    },
  };
  transport.start(events);
  return log;
}
