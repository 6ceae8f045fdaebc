export const backendNames = ['node', 'sodium', 'forge', 'noble'];

/** The backend object of that name. */
export async function loadBackend(name) {
  if (!backendNames.includes(name))
    throw new Error(`no backend ${name}: there are ${backendNames.join(', ')}`);
  return (await import(`secure-sockets/backends/${name}`))[name];
}
