// Begins all parts of the page. Beside a room (`npm run demo:web`) it talks to that, and otherwise to itself.
import { Identity } from 'secure-sockets';
import { showPictures } from './picture.mjs';
import { showWrongPin } from './pin.mjs';
import { showSpeed } from './speed.mjs';
import { fail, talkInPage, talkToRoom } from './talk.mjs';

// the site's pages keep here which of light and dark was chosen
const appearance = localStorage.getItem('vitepress-theme-appearance');
if (appearance === 'dark' || appearance === 'light') document.documentElement.dataset.theme = appearance;

const identity = await Identity.generate();
showWrongPin(identity);
showSpeed();
(document.documentElement.dataset.room === undefined ? talkInPage(identity) : talkToRoom(roomUrl())).catch(
  fail,
);
await showPictures(identity);
document.documentElement.dataset.ready = 'true';

function roomUrl() {
  const { host, protocol } = location;
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/${document.documentElement.dataset.room}`;
}
