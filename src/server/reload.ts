import type { ArgumentRules } from '../arguments.js';
import { inTime } from '../connection/in-time.js';
import { badOption } from '../errors.js';
import type { PortableIdentity } from '../identity/identity.js';
import { identityObject } from '../options/rules.js';
import type { ServerPlan } from '../options/server-scripts.js';
import type { ServerSettings } from '../options/server-settings.js';
import { checkRole } from '../options/settings.js';

/** What a server is to take anew. */
export interface ReloadOptions {
  /** Its identity from now on. Default: the one it has. */
  readonly identity?: PortableIdentity | undefined;
}

/** How `reload()` may be called. */
export const reloadRules: ArgumentRules<ReloadOptions> = { identity: identityObject };

/**
 * The plan of a server after a reload: with another identity if one is given, and its list of clients read anew. Rejects
 * without having changed anything if either is wrong.
 */
export async function planReload(
  make: (settings: ServerSettings) => Promise<ServerPlan>,
  settings: ServerSettings,
  before: ServerPlan,
  { identity }: ReloadOptions,
): Promise<ServerPlan> {
  const { authorizedKeys } = before;
  checkRole(identity, settings.protocol === 'classic' ? 'classic-server' : 'server');
  const next = identity && { ...settings, identity, ...(authorizedKeys && { authorizedKeys }) };
  const plan = next === undefined ? before : await make(next);
  const { handshakeTimeout } = settings;
  const late = (): Error => badOption(`authorizedKeys gave no answer within ${handshakeTimeout} ms`);
  try {
    if (authorizedKeys) await inTime(authorizedKeys.reload(), handshakeTimeout, late);
  } catch (error) {
    if (plan !== before) plan.close?.();
    throw error;
  }
  if (plan === before) return before;
  return { ...plan, close: closeBoth(before, plan, handshakeTimeout) };
}

/** Handshakes that have begun may need what the plan before holds, such as ticket keys, for as long as they may take. */
function closeBoth(before: ServerPlan, plan: ServerPlan, handshakeTimeout: number): () => void {
  let old: ServerPlan | undefined = before;
  const closeOld = (): void => {
    old?.close?.();
    // a server may be reloaded any number of times
    old = undefined;
  };
  const timer = setTimeout(closeOld, handshakeTimeout);
  timer.unref?.();
  return () => {
    clearTimeout(timer);
    closeOld();
    plan.close?.();
  };
}
