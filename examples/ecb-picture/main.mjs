// Encrypts the pixels of one picture with AES-ECB, as classic does its messages, and with AES-GCM, as sealed does,
// and writes the three side by side: node examples/ecb-picture/main.mjs [FILE, by default docs/images/ecb.png]
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { forge } from 'secure-sockets/backends/forge';
import { noble } from 'secure-sockets/backends/noble';
import { node } from 'secure-sockets/backends/node';
import { drawPadlock, height, width } from './drawing.mjs';
import { encodePng } from './png.mjs';

const file = process.argv[2] ?? fileURLToPath(new URL('../../docs/images/ecb.png', import.meta.url));
const gap = 16;
const backends = [node, forge, noble];

// Fixed, so that the file is the same whenever it is made. A real key or nonce is never written down.
const key = node.sha256(new TextEncoder().encode('the key of the picture'));
const nonce = new Uint8Array(12);

const picture = drawPadlock();
const ecb = encryptWithAll((backend) => backend.aesEcb(key).encrypt(picture));
const gcm = encryptWithAll((backend) =>
  Buffer.concat(backend.aesGcm(key).seal(nonce, new Uint8Array(0), [picture])).subarray(0, picture.length),
);
const png = sideBySide([picture, ecb, gcm]);
writeFileSync(file, png);
console.log(`${file}: ${png.length} bytes; different blocks of 16 bytes:`);
for (const [name, bytes] of Object.entries({ picture, ecb, gcm }))
  console.log(`  ${name.padEnd(8)} ${different(bytes)} of ${bytes.length / 16}`);

// Encrypts with all backends, whose results must be equal.
function encryptWithAll(encrypt) {
  const [first, ...others] = backends.map((backend) => Buffer.from(encrypt(backend)));
  if (!others.every((other) => other.equals(first))) throw new Error('the backends encrypt differently');
  return first;
}

function sideBySide(panels) {
  const total = panels.length * width + (panels.length - 1) * gap;
  const rgb = new Uint8Array(3 * total * height).fill(255);
  for (const [index, panel] of panels.entries())
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const from = 4 * (y * width + x);
        rgb.set(panel.subarray(from, from + 3), 3 * (y * total + index * (width + gap) + x));
      }
  return encodePng(total, height, rgb);
}

function different(bytes) {
  const blocks = new Set();
  for (let at = 0; at < bytes.length; at += 16)
    blocks.add(Buffer.from(bytes.subarray(at, at + 16)).toString('latin1'));
  return blocks.size;
}
