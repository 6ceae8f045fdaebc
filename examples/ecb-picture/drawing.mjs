// A picture of flat colours, computed: a padlock between two stripes. Four bytes a pixel, so an AES block is four pixels.

export const width = 256;
export const height = 256;

/** Red, green, blue and a fourth byte that is always 255, for every pixel, row by row. */
export function drawPadlock() {
  const pixels = new Uint8Array(4 * width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) pixels.set([...colourAt(x + 0.5, y + 0.5), 255], 4 * (y * width + x));
  return pixels;
}

const paper = [250, 244, 230];
const stripe = [196, 217, 232];
const brass = [222, 165, 33];
const steel = [92, 107, 120];
const dark = [43, 38, 33];

// The first shape that covers a point gives its colour.
const shapes = [
  { colour: dark, covers: keyhole },
  { colour: brass, covers: body },
  { colour: steel, covers: shackle },
  { colour: stripe, covers: (_x, y) => Math.abs(y - 36) < 12 || Math.abs(y - 238) < 8 },
];

function colourAt(x, y) {
  return shapes.find(({ covers }) => covers(x, y))?.colour ?? paper;
}

function keyhole(x, y) {
  const inSlot = y > 160 && y < 196 && Math.abs(x - 128) < 6 + (y - 160) / 6;
  return inSlot || Math.hypot(x - 128, y - 154) < 15;
}

// A rectangle with round corners of 16 pixels.
function body(x, y) {
  const beyondX = Math.max(0, Math.abs(x - 128) - 62);
  const beyondY = Math.max(0, Math.abs(y - 164) - 38);
  return Math.hypot(beyondX, beyondY) < 16;
}

function shackle(x, y) {
  const fromAxis = y < 84 ? Math.hypot(x - 128, y - 84) : Math.abs(x - 128);
  return y < 130 && fromAxis > 34 && fromAxis < 54;
}
