import { type ClientResumption, clientResumption } from '../core/sealed/client-resumption.js';
import { sessionsAccess } from '../sessions/access.js';
import type { Sessions } from '../sessions/sessions.js';
import type { Target, Trust } from '../trust/trust.js';

/**
 * Resumes with tickets out of the client's sessions, and keeps new ones there.
 *
 * Trust is asked before a ticket is offered, for each server that there are tickets of: a resumed handshake shows no
 * key, so a server whose pin or line was removed would otherwise be accepted for as long as its tickets last.
 */
export async function resumptionOf(
  sessions: Sessions,
  identity: string | undefined,
  trust: Trust,
  target: Target | undefined,
): Promise<ClientResumption> {
  const name = sessionsAccess.nameOf(target, identity);
  const known: string[] = [];
  for (const { spki, fingerprint } of sessionsAccess.servers(sessions, name))
    if (await trust.knows(spki, fingerprint)) known.push(fingerprint);
  const begun = Date.now();
  let chain: number | undefined;
  return clientResumption({
    takeTicket: () => {
      const taken = firstOf(known, (one) => sessionsAccess.take(sessions, name, one));
      chain = taken?.since;
      return taken;
    },
    keepTicket: (ticket) => {
      // a chain is as old as its full handshake, whatever its server says
      sessionsAccess.keep(sessions, name, ticket, ticket.resumed ? (chain ?? begun) : begun);
    },
  });
}

/** The first result that there is; nothing is asked of those behind it. */
function firstOf<Item, Result>(
  items: readonly Item[],
  of: (item: Item) => Result | undefined,
): Result | undefined {
  for (const item of items) {
    const result = of(item);
    if (result !== undefined) return result;
  }
  return undefined;
}
