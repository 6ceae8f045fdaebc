import type { Backend } from '../backend.js';
import { badOption } from '../errors.js';
import { parseAuthorizedKeys, placeInList } from '../trust/authorized-lines.js';
import { guardBackend } from './guarded-backend.js';
import type { EveryServerOption, ServerOptions } from './options.js';
import type { Given } from './rules.js';
import { type DefaultedServer, hasVerifier, serverTable } from './server-table.js';
import { checkRole, type Filled, fill, readGiven } from './settings.js';
import { isShipped } from './shipped-backends.js';

/** A server's options, checked once and filled up. */
export type ServerSettings = Filled<EveryServerOption, DefaultedServer>;

/** Checks a server's options and fills in the defaults. Throws BAD_OPTION. */
export function readServerOptions(options: ServerOptions, defaultBackend: Backend): ServerSettings {
  const given = readGiven<EveryServerOption>(options, serverTable, 'SecureServer');
  if (given.identity && given.modulusLength !== undefined) {
    throw badOption(
      'modulusLength is the size of a key to be made; an identity already has one: give one of the two',
    );
  }
  checkRole(given.identity, given.protocol === 'classic' ? 'classic-server' : 'server');
  checkClientAuth(given);
  // a program may wipe its own once it has given them
  if (given.ticketKeys) given.ticketKeys = given.ticketKeys.map((key) => new Uint8Array(key));
  const backend = heldToInterface(given.backend ?? defaultBackend);
  const settings = fill<ServerSettings>(given, serverTable, backend);
  const { authorizedKeys } = settings;
  if (typeof authorizedKeys === 'string' || Array.isArray(authorizedKeys))
    parseAuthorizedKeys([authorizedKeys].flat(), placeInList, backend);
  return settings;
}

function heldToInterface(backend: Backend): Backend {
  return isShipped(backend) ? backend : guardBackend(backend);
}

function checkClientAuth(given: Given<EveryServerOption>): void {
  const { clientAuth, authorizedKeys, verifyClient } = given;
  if (authorizedKeys !== undefined && verifyClient !== undefined) {
    throw badOption('authorizedKeys and verifyClient exclude each other: give one way to let clients in');
  }
  if (clientAuth === 'none' && hasVerifier(given)) {
    throw badOption(
      "clientAuth: 'none' asks no client who it is, so authorizedKeys and verifyClient have no use: leave one out",
    );
  }
  if (clientAuth !== undefined && clientAuth !== 'none' && !hasVerifier(given)) {
    throw badOption(
      `clientAuth: '${clientAuth}' needs authorizedKeys or verifyClient to decide which clients are admitted`,
    );
  }
  if (given.disconnectRevoked && authorizedKeys === undefined)
    throw badOption('disconnectRevoked goes with authorizedKeys, which are not given');
}
