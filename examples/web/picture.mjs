// One picture, encrypted as classic and as sealed do it.
import { web } from 'secure-sockets/backends/web';
import { drawPadlock, height, width } from '../ecb-picture/drawing.mjs';
import { connectPair } from './wire.mjs';

const byId = (id) => document.getElementById(id);
const plain = byId('plain');
const colours = {
  brass: [222, 165, 33],
  ink: [43, 38, 33],
  blue: [52, 120, 180],
  red: [190, 60, 50],
  paper: [250, 244, 230],
};
const RADIUS = 9;

/** Draws the padlock, and encrypts what is drawn. */
export async function showPictures(identity) {
  let pixels = drawPadlock();
  const cipher = web.aesEcb(web.randomBytes(32));
  const { client, far, tap } = await connectPair({ identity });
  let isBusy = false;
  let isStale = false;

  async function encrypt() {
    if (isBusy) {
      isStale = true;
      return;
    }
    isBusy = true;
    paint('plain', pixels);
    const ecb = cipher.encrypt(pixels);
    paint('ecb', ecb);
    byId('ecb-count').textContent = `${different(ecb)} different blocks of ${ecb.length / 16}`;
    tap.takeSent();
    await Promise.all([client.send(pixels.slice()), far.recv()]);
    const records = tap.takeSent().subarray(0, pixels.length);
    paint('sealed', records);
    byId('sealed-count').textContent = `${different(records)} different blocks of ${records.length / 16}`;
    isBusy = false;
    if (isStale) {
      isStale = false;
      await encrypt();
    }
  }

  const show = (next) => {
    pixels = next;
    return encrypt();
  };
  byId('picture-padlock').onclick = () => show(drawPadlock());
  byId('picture-clear').onclick = () => show(fill(colours.paper));
  takePen(chooseColour(), (x, y, colour) => {
    dot(pixels, x, y, colour);
    return encrypt();
  });
  await encrypt();
}

function paint(id, bytes) {
  const opaque = new Uint8ClampedArray(bytes);
  for (let at = 3; at < opaque.length; at += 4) opaque[at] = 255;
  byId(id)
    .getContext('2d')
    .putImageData(new ImageData(opaque, width, height), 0, 0);
}

function different(bytes) {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const blocks = new Set();
  for (let at = 0; at < bytes.length; at += 16)
    blocks.add(`${words.getBigUint64(at)}${words.getBigUint64(at + 8)}`);
  return blocks.size;
}

function fill(colour) {
  const pixels = new Uint8Array(4 * width * height);
  for (let at = 0; at < pixels.length; at += 4) pixels.set([...colour, 255], at);
  return pixels;
}

function dot(pixels, centreX, centreY, colour) {
  const rows = [Math.max(0, centreY - RADIUS), Math.min(height - 1, centreY + RADIUS)];
  const columns = [Math.max(0, centreX - RADIUS), Math.min(width - 1, centreX + RADIUS)];
  for (let y = rows[0]; y <= rows[1]; y++)
    for (let x = columns[0]; x <= columns[1]; x++)
      if (Math.hypot(x - centreX, y - centreY) < RADIUS) pixels.set([...colour, 255], 4 * (y * width + x));
}

function chooseColour() {
  let chosen = colours.red;
  const buttons = Object.entries(colours).map(([name, colour]) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.style.background = `rgb(${colour})`;
    button.setAttribute('aria-label', name);
    button.setAttribute('aria-pressed', String(colour === chosen));
    button.onclick = () => {
      chosen = colour;
      for (const other of buttons) other.setAttribute('aria-pressed', String(other === button));
    };
    return button;
  });
  byId('colours').append(...buttons);
  return () => chosen;
}

// With a pointer, or with the arrow keys and the space bar.
function takePen(colour, draw) {
  let last;
  const at = ({ clientX, clientY }) => {
    const box = plain.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * width, ((clientY - box.top) / box.height) * height];
  };
  const line = ([x, y]) => {
    const [fromX, fromY] = last ?? [x, y];
    const steps = Math.max(1, Math.ceil(Math.hypot(x - fromX, y - fromY) / RADIUS));
    for (let step = 1; step <= steps; step++)
      draw(
        Math.round(fromX + ((x - fromX) * step) / steps),
        Math.round(fromY + ((y - fromY) * step) / steps),
        colour(),
      );
    last = [x, y];
  };
  plain.onpointerdown = (event) => {
    plain.setPointerCapture(event.pointerId);
    last = undefined;
    line(at(event));
  };
  plain.onpointermove = (event) => {
    if (plain.hasPointerCapture(event.pointerId)) line(at(event));
  };
  const steps = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] };
  plain.onkeydown = (event) => {
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const [x, y] = last ?? [width / 2, height / 2];
    line([Math.min(width, Math.max(0, x + step[0])), Math.min(height, Math.max(0, y + step[1]))]);
  };
}
