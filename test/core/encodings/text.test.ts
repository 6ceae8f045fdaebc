import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeBase64,
  decodeHex,
  encodeBase64,
  encodeHex,
  hidesLine,
  linesOf,
} from '../../../src/core/encodings/text.js';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('base64', () => {
  // RFC 4648 10
  test.each([
    ['', ''],
    ['f', 'Zg=='],
    ['fo', 'Zm8='],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg=='],
    ['fooba', 'Zm9vYmE='],
    ['foobar', 'Zm9vYmFy'],
  ])('%j is %j', (text, base64) => {
    expect(encodeBase64(ascii(text))).toBe(base64);
    expect(decodeBase64(base64)).toEqual(ascii(text));
  });

  test('bytes are what they were, and what Buffer says', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = encodeBase64(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64'));
        expect(decodeBase64(text)).toEqual(bytes);
      }),
    );
  });

  // `null`, and no exception, which would be one of atob(3) instead of one of ours
  test.each([
    ['one character', 'Z'],
    ['one character too many', 'Zm9vY'],
    ['no padding', 'Zg'],
    ['no padding', 'Zm8'],
    ['half of the padding', 'Zg='],
    ['padding alone', '='],
    ['padding alone', '=='],
    ['padding alone', '===='],
    ['padding too long', 'Z==='],
    ['padding where none is due', 'Zm9v===='],
    ['padding in the middle', 'Zg==Zg=='],
    ['low bits that are not zero (RFC 4648 3.5)', 'Zh=='],
    ['low bits that are not zero (RFC 4648 3.5)', 'Zm9='],
    ['the alphabet for addresses', 'Zm-_'],
    ['white space', 'Zg= ='],
    ['white space behind', 'Zm9v\n'],
    ['white space of four characters', 'Zm9v    '],
    ['a letter of another script', 'Zm9\u00fc'],
  ])('%s is refused: %j', (_, text) => {
    expect(decodeBase64(text)).toBeNull();
  });
});

describe('hexadecimal', () => {
  test.each([
    ['', []],
    ['00', [0]],
    ['0a', [10]],
    ['00ff10', [0, 255, 16]],
  ])('%j', (digits, bytes) => {
    expect(decodeHex(digits)).toEqual(Uint8Array.from(bytes));
    expect(encodeHex(Uint8Array.from(bytes))).toBe(digits);
  });

  test('capitals are read as well', () => {
    expect(decodeHex('ABcd')).toEqual(Uint8Array.of(0xab, 0xcd));
  });
});

describe('lines', () => {
  test.each([
    ['LF', 'a\nb\n', ['a', 'b', '']],
    ['CRLF', 'a\r\nb\r\n', ['a', 'b', '']],
    ['CR', 'a\rb', ['a', 'b']],
    ['one after another', 'a\n\n\r\n\rb', ['a', '', '', '', 'b']],
    ['LF CR, which are two', 'a\n\rb', ['a', '', 'b']],
    ['nothing', '', ['']],
    ['a byte-order mark', '\ufeffa\nb', ['a', 'b']],
    ['a byte-order mark alone', '\ufeff', ['']],
    // the second one is a character of the line, and one elsewhere is as well: they are kept, for the reader to judge
    ['two byte-order marks', '\ufeff\ufeffa', ['\ufeffa']],
    ['a byte-order mark in the middle', 'a\ufeffb\n\ufeffc', ['a\ufeffb', '\ufeffc']],
    ['what is no end of a line', 'a\fb\vc\u0085d\u2028e', ['a\fb\vc\u0085d\u2028e']],
  ])('%s', (_, text, lines) => {
    expect(linesOf(text)).toEqual(lines);
  });

  test.each([
    ['a form feed', 'a\fb'],
    ['a vertical tab', 'a\vb'],
    ['U+0085', 'a\u0085b'],
    ['a line separator', 'a\u2028b'],
    ['a paragraph separator', 'a\u2029b'],
    ['NUL', 'a\0b'],
    ['an escape', 'a\u001b[2Kb'],
    ['a backspace', 'a\bb'],
    ['a line feed', 'a\nb'],
    ['DEL', 'a\u007fb'],
  ])('%s could hide one', (_, line) => {
    expect(hidesLine(line)).toBe(true);
  });

  test.each([
    ['a tab', 'a\tb'],
    ['nothing', ''],
    ['words', 'ssh-rsa AAAA a comment, with \u00e9 and \u{1f600}'],
    ['white space around', ' \t\f\u2028a\r\n'],
    ['a blank that does not break', 'a\u00a0b'],
  ])('%s hides none', (_, line) => {
    expect(hidesLine(line)).toBe(false);
  });
});
