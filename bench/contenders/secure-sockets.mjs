import { Identity, SecureClient, SecureServer } from 'secure-sockets';

export async function serve({ identities }, options, handle) {
  const server = new SecureServer({
    ...(await common(options)),
    identity: Identity.fromPem(identities[options.protocol]),
    onHandshakeError: (error) => {
      throw error;
    },
  });
  await server.listen({ port: 0, host: '127.0.0.1' });
  accept(server, handle);
  return { port: server.address.port, fingerprint: server.fingerprint };
}

async function accept(server, handle) {
  for await (const client of server) handle(client);
}

export async function connect({ port, fingerprint }, options) {
  const settle = options.protocol === 'classic' ? { settleMs: 0 } : {};
  const sessions = options.resume ? { sessions: await sessionsOfThisProcess() } : {};
  const client = new SecureClient({
    ...(await common(options)),
    ...settle,
    ...sessions,
    serverKey: fingerprint,
  });
  await client.connect({ port, host: '127.0.0.1' });
  if (options.resume && connected++ > 64 && !client.resumed)
    throw new Error('the connection was not resumed');
  return client;
}

/** The first connections of a process have no ticket. */
let connected = 0;
let sessions;

async function sessionsOfThisProcess() {
  const { Sessions } = await import('secure-sockets');
  sessions ??= new Sessions();
  return sessions;
}

/** The options of both ends; the node backend is the package's default. */
async function common({ backend, resume: _, ...options }) {
  if (backend === undefined) return options;
  const { [backend]: object } = await import(`secure-sockets/backends/${backend}`);
  return { ...options, backend: object };
}
