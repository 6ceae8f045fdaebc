import { show } from '../arguments.js';
import { badOption, quote, SecureSocketError } from '../errors.js';

/**
 * What a key is for: to decrypt (servers) or to sign (clients), in sealed or in classic. A key has one role for ever.
 */
export type IdentityRole = 'server' | 'client' | 'classic-server';

/** Bits of a key that is made without saying how many. */
export const defaultLength: Readonly<Record<IdentityRole, number>> = {
  server: 3072,
  client: 3072,
  'classic-server': 2048,
};

const ROLES = Object.keys(defaultLength).join(', ');
const ROLE_LINE = 'Secure-Sockets-Role:';

/** Throws BAD_OPTION unless this is a role. */
export function checkRole(role: IdentityRole): void {
  if (isRole(role)) return;
  throw badOption(`role is ${quote(role)}; expected ${ROLES}`);
}

/** Throws BAD_OPTION unless a key of this role may have this many bits. */
export function checkModulusLength(bits: number, role: IdentityRole): void {
  const [min, step] = role === 'classic-server' ? [512, 1] : [2048, 8];
  if (Number.isInteger(bits) && bits >= min && bits <= 4096 && bits % step === 0) return;
  const multiple = step === 1 ? '' : `, a multiple of ${step}`;
  throw badOption(`modulusLength is ${show(bits)}; expected ${min} to 4096${multiple} for role ${role}`);
}

/** The line of a key file that says the role. */
export function roleLine(role: IdentityRole): string {
  return `${ROLE_LINE} ${role}`;
}

/**
 * The role that the lines before a key say; `undefined` if they say none. A line that looks as if it meant to say one,
 * whatever an editor has made of it, must say it properly: else a client's key could pass for a server's.
 */
export function readRole(explanatory: readonly string[]): IdentityRole | undefined {
  const whole = explanatory.join('\n');
  if (!mentionsRole(whole)) return undefined;
  const single = explanatory.filter(mentionsRole);
  const lines = single.length > 0 ? single : [whole];
  const roles = lines.map((line) => /^\s*Secure-Sockets-Role:(.*)$/s.exec(line)?.[1]?.trim());
  const [role] = roles;
  if (roles.length === 1 && role !== undefined && isRole(role)) return role;
  const quoted = lines.map((line) => quote(line)).join(' and ');
  const found = roles.includes(undefined)
    ? `it has ${quoted}`
    : `its ${ROLE_LINE} line says ${quote(roles.join(', '))}`;
  throw new SecureSocketError(
    'BAD_IDENTITY',
    `${found}; expected one line "${ROLE_LINE} ROLE" before the key, ROLE being one of ${ROLES}`,
  );
}

/** Whether a text has the name of the line in it, whatever stands between its letters. */
export function mentionsRole(text: string): boolean {
  return letters(text).includes(letters(ROLE_LINE));
}

/** The role of a key whose file states one or not, and that is asked for or not. */
export function chooseRole(stated: IdentityRole | undefined, asked: IdentityRole | undefined): IdentityRole {
  if (asked !== undefined) checkRole(asked);
  if (stated !== undefined && asked !== undefined && stated !== asked) {
    throw new SecureSocketError(
      'BAD_IDENTITY',
      `the key has the role ${stated}, not ${asked}: a key has one role only, generate another`,
    );
  }
  const role = stated ?? asked;
  if (role !== undefined) return role;
  throw new SecureSocketError(
    'BAD_IDENTITY',
    `there is no ${ROLE_LINE} line before the key: say which role it has, as in { role: 'server' }`,
  );
}

function isRole(role: string): role is IdentityRole {
  return Object.hasOwn(defaultLength, role);
}

function letters(text: string): string {
  return text.toLowerCase().replace(/[^a-z]/g, '');
}
