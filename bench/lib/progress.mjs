/** Shows progress on stderr: on a terminal one line that changes, otherwise a line now and then. */
export class Progress {
  #total;
  #done = 0;
  #begun = performance.now();
  #last = -Infinity;

  constructor(total) {
    this.#total = total;
  }

  step(what) {
    const text = `[${this.#done}/${this.#total}] ${this.#describeRemaining()}${what}`;
    this.#done++;
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text.slice(0, process.stderr.columns - 1)}`);
    else if (performance.now() - this.#last > 5000) {
      this.#last = performance.now();
      console.error(text);
    }
  }

  end() {
    const seconds = Math.round((performance.now() - this.#begun) / 1000);
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    console.error(`${this.#done} measurements in ${seconds} s`);
  }

  #describeRemaining() {
    if (this.#done === 0) return '';
    const seconds = (performance.now() - this.#begun) / 1000;
    const left = Math.round((seconds / this.#done) * (this.#total - this.#done));
    return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')} left  `;
  }
}
