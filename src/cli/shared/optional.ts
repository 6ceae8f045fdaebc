import { hasCode } from '../../errors.js';

/**
 * Whether an import failed because the package is not there. What Node runs as a single executable application finds
 * nothing but Node's own modules, or says of the package what it says elsewhere: that depends on the version.
 */
export function isNotInstalled(error: unknown, name: string): boolean {
  if (hasCode(error, 'ERR_UNKNOWN_BUILTIN_MODULE')) return true;
  return hasCode(error, 'ERR_MODULE_NOT_FOUND') && error.message.includes(`'${name}'`);
}
