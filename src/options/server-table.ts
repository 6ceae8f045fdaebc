import { boolean, callback, integer, oneOf } from '../arguments.js';
import type { EveryServerOption } from './options.js';
import { type Given, identityObject } from './rules.js';
import { authorizedKeysOption, blockList, modulusLength, ticketKeysOption } from './server-rules.js';
import { commonTable, type DefaultedCommon, MEBIBYTE, type OptionTable } from './table.js';

/** Options of a server that have a default. */
export type DefaultedServer =
  | DefaultedCommon
  | 'modulusLength'
  | 'maxPendingHandshakes'
  | 'maxPendingPerSource'
  | 'maxConnections'
  | 'backlog'
  | 'maxBuffered'
  | 'clientAuth'
  | 'disconnectRevoked'
  | 'ticketLifetime';

const connections = integer(1, 2 ** 31 - 1, 'connections');

/** Every option of a server. */
export const serverTable: OptionTable<EveryServerOption, DefaultedServer> = {
  ...commonTable,
  identity: { rule: identityObject, shown: 'a new one' },
  modulusLength: {
    rule: modulusLength(2048),
    default: 3072,
    classic: { rule: modulusLength(512), default: 2048 },
  },
  maxPendingHandshakes: { rule: connections, default: 256 },
  maxPendingPerSource: { rule: connections, default: 32 },
  backlog: { rule: connections, default: 511 },
  maxConnections: {
    rule: connections,
    default: Number.POSITIVE_INFINITY,
    shown: "no limit but the system's",
  },
  maxBuffered: { rule: integer(2 ** 16, 2 ** 40, 'bytes'), default: 256 * MEBIBYTE },
  blockList: { rule: blockList },
  trustedProxies: { rule: blockList },
  onHandshakeError: { rule: callback('(error, { remoteAddress, remotePort }) => void') },
  clientAuth: {
    rule: oneOf('none', 'optional', 'required'),
    default: (given) => (hasVerifier(given) ? 'required' : 'none'),
    shown: "'none'; 'required' with authorizedKeys or verifyClient",
    only: 'sealed',
  },
  authorizedKeys: { rule: authorizedKeysOption, only: 'sealed' },
  disconnectRevoked: { rule: boolean, default: false, only: 'sealed' },
  verifyClient: { rule: callback('(spki, fingerprint) => boolean'), only: 'sealed' },
  ticketKeys: { rule: ticketKeysOption, shown: 'random, in memory, a new one every hour', only: 'sealed' },
  ticketLifetime: {
    rule: integer(0, 24 * 3_600_000, 'milliseconds', 'never'),
    default: 8 * 3_600_000,
    only: 'sealed',
  },
};

/** Whether something says which clients are let in. */
export function hasVerifier({ authorizedKeys, verifyClient }: Given<EveryServerOption>): boolean {
  return authorizedKeys !== undefined || verifyClient !== undefined;
}
