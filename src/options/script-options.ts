import type { Backend, KeyEncapsulation } from '../backend.js';
import { callSafely } from '../callbacks.js';
import { defaultSuites, hasHybrid, type SuiteName } from '../core/sealed/suites.js';
import type { CommonOptions } from './options.js';
import { keylogWarning, warnOnce } from './warnings.js';

/** Where secrets are told, if they are, so that a mistake in the function ends no connection. Warns. */
export function keylogOf({ keylog }: CommonOptions): ((line: string) => void) | undefined {
  if (keylog === undefined) return undefined;
  warnOnce(keylogWarning);
  return (line) => callSafely('keylog', () => keylog(line));
}

/** The suites offered or taken. */
export function suitesOf({ suites, backend }: CommonOptions & { backend: Backend }): readonly SuiteName[] {
  return suites ?? defaultSuites(backend);
}

/** ML-KEM in its immediate form, if a suite needs it and the platform has no other. */
export async function kemFor(
  backend: Backend,
  suites: readonly SuiteName[],
): Promise<KeyEncapsulation | undefined> {
  return hasHybrid(suites) && backend.mlKem768Later === undefined ? backend.mlKem768() : undefined;
}
