import type { WebSocket } from 'ws';

/** A `ws` socket as a browser would have it: no way to pause, and nothing told of what was written. */
export function asStandard(socket: WebSocket): WebSocket {
  const hidden = ['on', 'terminate', 'pause', 'resume'];
  return new Proxy(socket, {
    get: (target, name) => {
      if (hidden.includes(String(name))) return undefined;
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}
