/**
 * Where a connection stands: the states of docs/protocol.md, "The states of an end". The two halves of a connection end
 * apart, so "half-closed" is said of one of them, as in HTTP/2 (RFC 9113 5.1).
 */
export type Phase =
  /** Nothing can be sent yet. */
  | 'handshake'
  | 'open'
  /** This side has ended its half and still reads what comes. */
  | 'half-closed (local)'
  /** The peer has ended its half, and the program may still send. */
  | 'half-closed (remote)'
  /** The program has closed: what still comes is discarded unless a call waits for it. */
  | 'closing'
  /** Both halves have ended; the end of ours may still be on its way. */
  | 'ended'
  /** An error has ended it, final bytes are on their way, and what comes is discarded. */
  | 'lingering'
  /** The transport was given up and has yet to say that it is gone. */
  | 'leaving'
  | 'closed';

/** What moves a connection from one phase to another. */
export type PhaseEvent =
  /** The handshake is done. */
  | 'open'
  /** The program ends its half, or R7.5 does. */
  | 'end'
  /** The program closes. */
  | 'close'
  /** The peer has ended its half in order. */
  | 'peer end'
  /** An error about which the peer is told. */
  | 'error'
  /** The transport is given up: an error that the peer is not told, or nothing is left to wait for. */
  | 'destroy'
  /** The transport is gone. */
  | 'gone';

const over = { destroy: 'leaving', gone: 'closed' } as const;
const live = { ...over, error: 'lingering' } as const;

/** Every move that there is; all others are defects of this library. */
export const transitions: { readonly [From in Phase]: { readonly [On in PhaseEvent]?: Phase } } = {
  handshake: { open: 'open', ...live },
  open: {
    ...{ end: 'half-closed (local)', 'peer end': 'half-closed (remote)', close: 'closing' },
    ...live,
  },
  'half-closed (local)': { 'peer end': 'ended', close: 'closing', ...live },
  'half-closed (remote)': { end: 'ended', close: 'ended', ...live },
  closing: { 'peer end': 'ended', ...live },
  ended: live,
  lingering: over,
  leaving: { gone: 'closed' },
  closed: {},
};

/** Whether `event` means something in `phase`: calls such as `close()` may come again, and are nothing then. */
export function allows(phase: Phase, event: PhaseEvent): boolean {
  return transitions[phase][event] !== undefined;
}

/** The phase after `event`. Throws if there is none, which is a defect of this library. */
export function nextPhase(phase: Phase, event: PhaseEvent): Phase {
  const next = transitions[phase][event];
  if (next === undefined) throw new Error(`a connection that is ${phase} has no transition for "${event}"`);
  return next;
}

/** Whether nothing is sent or received any more but final bytes. */
export function isOver(phase: Phase): boolean {
  return phase === 'lingering' || phase === 'leaving' || phase === 'closed';
}
