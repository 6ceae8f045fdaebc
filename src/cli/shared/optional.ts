/**
 * Whether an import failed because the package is not there. What Node runs as a single executable application finds
 * nothing but Node's own modules, or says of the package what it says elsewhere: that depends on the version.
 */
export function isNotInstalled(error: unknown, name: string): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false;
  if (error.code === 'ERR_UNKNOWN_BUILTIN_MODULE') return true;
  return error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes(`'${name}'`);
}
