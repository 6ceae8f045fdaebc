import { checkOptions } from '../arguments.js';
import { guardTransport } from '../transports/guarded.js';
import type { ConnectOptions } from './establish.js';
import { readConnectOptions } from './method-options.js';

/** As much of a client as is needed to connect it. */
interface Connectable<To> {
  connect(to: To, options: ConnectOptions): Promise<void>;
}

/** A client of these options, connected. A transport, which the caller may have no other hold of, is not left open. */
export async function connected<To, Options extends object, Client extends Connectable<To>>(
  to: To,
  options: Options & ConnectOptions,
  make: (options: Options) => Client,
): Promise<Client> {
  const [client, how] = prepare(to, options, make);
  await client.connect(to, how);
  return client;
}

function prepare<To, Options extends object, Client>(
  to: To,
  options: Options & ConnectOptions,
  make: (options: Options) => Client,
): [Client, ConnectOptions] {
  try {
    checkOptions(options, 'connect()');
    const { signal, host, port, ...clientOptions } = options;
    return [make(clientOptions as object as Options), readConnectOptions({ signal, host, port })];
  } catch (error) {
    letGo(to);
    throw error;
  }
}

/** Unless it is none, or another connection uses it. */
function letGo(transport: unknown): void {
  try {
    guardTransport(transport, 'connect()').destroy();
  } catch {
    // what is wrong is told already
  }
}
