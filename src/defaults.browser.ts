import { isWebClientEnough, loadBy, webClient } from '../backends/web-client.js';
import type { Backend } from './backend.js';
import { fetched } from './errors.js';

/** What clients and identities compute with if no backend is given. */
export const defaultBackend: Backend = webClient;

/** The whole backend, for what {@link defaultBackend} is not enough for. */
export async function loadWholeBackend(): Promise<Backend> {
  return (await fetched(import('../backends/web.js'))).web;
}

/** Whether sealed clients can do with {@link defaultBackend} here. */
export const isDefaultEnough: boolean = isWebClientEnough;

// what the backend loads is code of this library, whose absence has a code
loadBy(fetched);
