// Two ends in this page, or this page and a room that a server keeps.
import { Identity, SecureClient, webSocket } from 'secure-sockets';
import { addRow, connectPair, Tap } from './wire.mjs';

const byId = (id) => document.getElementById(id);

/** A client and a server in this page. */
export async function talkInPage(identity) {
  byId('server-key').textContent = identity.fingerprint;
  byId('client-pin').textContent = identity.fingerprint;
  const { client, far, tap } = await connectPair({ identity });
  addRow('client to server', 'handshake: hello, and proof of a key that was agreed', tap.takeSent(), false);
  addRow('server to client', 'handshake: its key, and proof that it owns it', tap.takeReceived(), false);
  form('client-form', async (text) => {
    await client.send(encode(text));
    addRow('client to server', decode(await far.recv()), tap.takeSent());
  });
  form('server-form', async (text) => {
    await far.send(encode(text));
    const message = await client.recv();
    addRow('server to client', decode(message), tap.takeReceived());
  });
  byId('pair-status').textContent = `Connected, with ${client.suite}. Send something from either side.`;
}

/** Shows the room's key first; connects when it was compared. */
export async function talkToRoom(url) {
  byId('room').hidden = false;
  byId('pair').hidden = true;
  const identity = await Identity.generate({ role: 'client', extractable: false });
  byId('own-key').textContent = identity.fingerprint;
  const shown = await keyOf(url);
  byId('room-key').textContent = shown;
  byId('terminal').textContent = `node dist/cli.js connect --server-key ${shown} ${url}`;
  const [trust, refuse] = [byId('room-trust'), byId('room-refuse')];
  trust.disabled = refuse.disabled = false;
  const isSame = await new Promise((resolve) => {
    trust.onclick = () => resolve(true);
    refuse.onclick = () => resolve(false);
  });
  trust.hidden = refuse.hidden = true;
  if (isSame) await enter(url, shown, identity);
  else say('room-status', 'Nothing was sent. Someone may be in between: do not use this connection.', 'bad');
}

// Breaks off as soon as the key is seen: what is shown is not proven yet, and only compared.
async function keyOf(url) {
  let shown;
  const client = new SecureClient({
    verifyServer: (_, fingerprint) => {
      shown = fingerprint;
      return false;
    },
  });
  await client.connect(webSocket(url)).catch((error) => {
    if (shown === undefined) throw error;
  });
  return shown;
}

async function enter(url, serverKey, identity) {
  const tap = new Tap(webSocket(url));
  const client = new SecureClient({ serverKey, identity });
  await client.connect(tap.transport);
  say('room-status', `Connected, with ${client.suite}. The room has proven that it owns the key.`, 'good');
  addRow('this browser to the room', 'handshake: hello, and proof of its own key', tap.takeSent(), false);
  addRow(
    'the room to this browser',
    'handshake: its key, and proof that it owns it',
    tap.takeReceived(),
    false,
  );
  form('room-form', async (text) => {
    await client.send(encode(text));
    addRow('this browser to the room', text, await tap.awaitSent());
  });
  for await (const message of client)
    addRow('the room to this browser', decode(message).trimEnd(), tap.takeReceived());
  say('room-status', 'The room has closed.', 'bad');
}

function form(id, send) {
  const element = byId(id);
  const input = element.querySelector('input');
  for (const part of element.elements) part.disabled = false;
  element.onsubmit = (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text === '') return;
    send(text).catch(fail);
    input.select();
  };
}

function say(id, text, className = '') {
  byId(id).textContent = text;
  byId(id).className = className;
}

/** Shows an error where the conversation is. */
export function fail(error) {
  const id = byId('room').hidden ? 'pair-status' : 'room-status';
  say(id, `${error.code ?? error.name}: ${error.message}`, 'bad');
}

const encode = (text) => new TextEncoder().encode(text);
const decode = (bytes) => new TextDecoder().decode(bytes);
