// Someone answers in the server's place, with a key of their own.
import { Identity } from 'secure-sockets';
import { connectPair } from './wire.mjs';

const result = document.getElementById('pin-result');
const button = document.getElementById('pin-try');

/** Lets a client that trusts `identity` meet an impostor, when the button is pressed. */
export function showWrongPin(identity) {
  button.onclick = async () => {
    button.disabled = true;
    result.textContent = 'The impostor makes a key …';
    try {
      const impostor = await Identity.generate({ modulusLength: 2048 });
      await connectPair({ identity: impostor, pin: identity.fingerprint });
      result.textContent = 'The client has connected: this must not happen.';
    } catch (error) {
      show(error);
    }
    button.disabled = false;
  };
}

function show({ code, message, tap }) {
  const rows = [
    ['Result', `refused, ${code}`, 'bad'],
    ['Error', message],
    ['Sent before that', `${tap?.takeSent().length ?? 0} bytes of handshake, none of a message`],
    [
      'What to do',
      'Find out why the key is another. The program must not go on, and there is no button to do so.',
    ],
  ];
  const list = document.createElement('dl');
  for (const [name, text, className = ''] of rows) {
    const term = document.createElement('dt');
    term.textContent = name;
    const value = document.createElement('dd');
    value.textContent = text;
    value.className = className;
    list.append(term, value);
  }
  result.replaceChildren(list);
}
