// One thread of the pool: derives a key from each password that it is given.
import { scryptSync } from 'node:crypto';
import { parentPort } from 'node:worker_threads';

parentPort.on('message', (password) => {
  parentPort.postMessage(scryptSync(password, 'an example of a salt', 32));
});
