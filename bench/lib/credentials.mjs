import { generateKeyPairSync } from 'node:crypto';
import forge from 'node-forge';
import { Identity } from 'secure-sockets';

/** Keys by their length in bits: ours, and a certificate for TLS. */
export async function makeCredentials(lengths = [2048]) {
  const made = lengths.map(async (modulusLength) => [modulusLength, await makeFor(modulusLength)]);
  return Object.fromEntries(await Promise.all(made));
}

async function makeFor(modulusLength) {
  const [sealed, classic] = await Promise.all(
    ['server', 'classic-server'].map((role) => Identity.generate({ role, modulusLength })),
  );
  return {
    identities: { sealed: sealed.toPem(), classic: classic.toPem() },
    tls: makeCertificate(modulusLength),
  };
}

function makeCertificate(modulusLength) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const name = [{ name: 'commonName', value: 'localhost' }];
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = '01';
  certificate.validity.notBefore = new Date(Date.now() - 3_600_000);
  certificate.validity.notAfter = new Date(Date.now() + 24 * 3_600_000);
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true },
    { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(privateKey), forge.md.sha256.create());
  return { key: privateKey, cert: forge.pki.certificateToPem(certificate) };
}
