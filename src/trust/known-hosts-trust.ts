import { badOption, reasonOf, SecureSocketError } from '../errors.js';
import { settlesTrue, type Target, type Trust } from './trust.js';

/** What is asked of a list of known hosts. */
interface HostList {
  readonly name: string;
  readonly mode: 'strict' | 'tofu';
  check(host: string, port: number, fingerprint: string): Promise<'known' | 'unknown'>;
  add(host: string, port: number, fingerprint: string): Promise<void>;
}

/** Servers that are in a list, and with `'tofu'` those that come into it. Throws NO_TRUST without a name to look up. */
export function trustKnownHosts(hosts: HostList, target: Target | undefined): Trust {
  if (target === undefined) {
    throw new SecureSocketError(
      'NO_TRUST',
      'knownHosts looks servers up by host and port, which a Transport does not have: connect(transport, { host, port })',
    );
  }
  const { host, port } = target;
  let isNew = false;
  return {
    knows: (_, fingerprint) =>
      settlesTrue(async () => (await hosts.check(host, port, fingerprint)) === 'known'),
    decide: async (_, fingerprint) => {
      isNew = (await possible('read', hosts.check(host, port, fingerprint))) === 'unknown';
      if (!isNew || hosts.mode === 'tofu') return true;
      throw new SecureSocketError(
        'UNTRUSTED_SERVER',
        `${hosts.name} does not know ${host}${port === 0 ? '' : ` port ${port}`}, whose key is ${fingerprint}: check it, then add it there, or use mode 'tofu'`,
        { fingerprint },
      );
    },
    confirm: async (fingerprint) => {
      if (isNew) await possible('added to', hosts.add(host, port, fingerprint));
    },
  };
}

/** A system error of a local file is this side's: the server must not be blamed for it. */
async function possible<Result>(what: string, operation: Promise<Result>): Promise<Result> {
  try {
    return await operation;
  } catch (error) {
    if (error instanceof SecureSocketError) throw error;
    const reason = reasonOf(error);
    throw badOption(
      `the known hosts cannot be ${what}: ${reason}; mend that, name another file, or give serverKey`,
      error,
    );
  }
}
