import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { decodeSpki } from '../../../src/core/encodings/der.js';
import {
  fingerprintOf,
  mentionsFingerprint,
  parseFingerprint,
} from '../../../src/core/encodings/fingerprint.js';

const backend = {
  sha256: (data: Uint8Array): Uint8Array => Uint8Array.from(createHash('sha256').update(data).digest()),
};

// openssl pkey -in k.pem -pubout -outform der | openssl dgst -sha256 -binary | base64, and with -r in place of -binary
const spki = Uint8Array.from(
  Buffer.from(
    'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA2edJNIcgtMm/9RfiXjzkgR2YJ02gciku2nzg3OtnHlMWgP0UnO9jvbvB0yHUGUu920VFdLq8hMtekp0gbd+0cFpViiug43oK80ABLLbWwTQVBV1zqvvrrv/yfdRuNKjK5LayMhQivpv1OKZeJkuNkNDWpS2S25fCEaQDB9e3ypYY0qR2+30rfln9UrKTJB3ktk6dyQsT20laYtSRrdhYQPgtLiMBbM0xdZTALSuU9/MLJJFrQy1vrRTWWMT7NyYjLP8O2iMiostejZjjw6lvLiJIImCueqg8UUn9Qmw4q9d6tMwbyiqvEtgmjZT/mwXP9NP6dKCdvcTFpdSODMYKbwIDAQAB',
    'base64',
  ),
);
const base64 = '+iRccZQG/5ZDtMHY4FCc4YDjGC2YDYMYhfxNomWjSfk';
const hex = 'fa245c719406ff9643b4c1d8e0509ce180e3182d980d831885fc4da265a349f9';
const canonical = `SHA256:${base64}`;

test('a fingerprint is what openssl shows', () => {
  expect(decodeSpki(spki).e).toEqual(Uint8Array.of(1, 0, 1));
  expect(fingerprintOf(backend, spki)).toBe(canonical);
});

test.each([canonical, `sha256//${base64}=`, hex, hex.toUpperCase()])('%s is accepted', (text) => {
  expect(parseFingerprint(text)).toBe(canonical);
  // as it comes out of a file
  for (const around of [`${text}\n`, `${text}\r\n`, ` ${text}\t`, `\ufeff${text}`])
    expect(parseFingerprint(around)).toBe(canonical);
});

test.each([
  ['nothing', ''],
  ['padding behind SHA256:', `${canonical}=`],
  ['no padding behind sha256//', `sha256//${base64}`],
  ['lower case', canonical.toLowerCase()],
  ['the base64 alone', base64],
  ['one character less', canonical.slice(0, -1)],
  ['one character more', `${canonical}A`],
  ['low bits that are not zero', `${canonical.slice(0, -1)}l`],
  ['low bits that are not zero, with padding', `sha256//${base64.slice(0, -1)}l=`],
  ['base64 for addresses', 'SHA256:-_iRccZQG_5ZDtMHY4FCc4YDjGC2YDYMYhfxNomWjSf'],
  ['more than its line', `${canonical}\nSHA256:`],
  ['a line feed within', `${canonical.slice(0, 20)}\n${canonical.slice(20)}`],
  ['a space within', `${canonical.slice(0, 20)} ${canonical.slice(21)}`],
  ['hex with colons', hex.replace(/../g, '$&:').slice(0, -1)],
  ['62 hex digits', hex.slice(2)],
  ['something before sha256//', `AAAAsha256//${base64}=`],
  ['something behind sha256//', `sha256//${base64}=AAAA`],
  ['something behind it that is a whole group', `sha256//${base64}====`],
  ['a digit that is not one', `g${hex.slice(1)}`],
  ['another hash', 'MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48'],
])('refused: %s', (_, text) => {
  expectRefusal(text, JSON.stringify(text));
});

test.each([canonical, `sha256//${base64}=`, hex, hex.toUpperCase()])('%s is found in a line', (text) => {
  for (const line of [text, `${text} name`, `example.org 5000 ${text}`, `# ${text}.`, `a=${text},b`])
    expect(mentionsFingerprint(line), line).toBe(true);
});

test.each([
  ['nothing', ''],
  ['a name', 'example.org 5000'],
  ['one character less', canonical.slice(0, -1)],
  ['no padding', `sha256//${base64}`],
  ['63 digits', hex.slice(1)],
  ['the base64 alone', base64],
  ['another hash', `MD5:${base64}`],
])('no fingerprint in %s', (_, text) => {
  expect(mentionsFingerprint(text)).toBe(false);
});

test('what is no text is refused as such', () => {
  expectRefusal(spki as unknown as string, 'an object of class Uint8Array');
});

test.each([canonical, hex])('an object that turns into %s is none', (text) => {
  expectRefusal({ toString: () => text } as string, 'an object of class Object');
});

test('a long text is shown up to its hundredth character', () => {
  expectRefusal('A'.repeat(100), `"${'A'.repeat(100)}";`);
  expectRefusal('A'.repeat(101), `"${'A'.repeat(100)}...";`);
});

test('a text as long as a book is not repeated in the error', () => {
  expect(() => parseFingerprint('A'.repeat(1e6))).toThrow(/^.{0,300}$/);
});

function expectRefusal(text: string, shown: string): void {
  expect(() => parseFingerprint(text)).toThrow(
    expect.objectContaining({
      code: 'BAD_OPTION',
      message: expect.stringContaining(`not a fingerprint: ${shown}`),
    }),
  );
}
