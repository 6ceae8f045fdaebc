import { Identity, SecureClient, SecureServer, Sessions } from 'secure-sockets';

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
  const sessions = options.resume ? takeSessions() : undefined;
  const client = new SecureClient({
    ...(await common(options)),
    ...settle,
    sessions,
    serverKey: fingerprint,
  });
  await client.connect({ port, host: '127.0.0.1' });
  if (sessions === undefined) return client;
  if (usedSessions.has(sessions) && !client.resumed) throw new Error('the connection was not resumed');
  usedSessions.add(sessions);
  client.closed.then(() => freeSessions.push(sessions));
  return client;
}

/** As many clients as connect at the same time, each with the tickets of its own connections: only its first has none. */
const freeSessions = [];
const usedSessions = new WeakSet();

function takeSessions() {
  return freeSessions.pop() ?? new Sessions();
}

const backends = new Map();

/** The options of both ends; the node backend is the package's default. */
async function common({ backend: name, resume: _, ...options }) {
  if (name === undefined) return options;
  // loaded once, as programs do
  if (!backends.has(name)) backends.set(name, (await import(`secure-sockets/backends/${name}`))[name]);
  return { ...options, backend: backends.get(name) };
}
