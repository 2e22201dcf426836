// Bytes of a stream as they come, taken as they are needed.
export class Input {
  #parts: Uint8Array[] = [];
  #length = 0;
  #wanted = 0;
  #wake: (() => void) | null = null;

  get isWaiting(): boolean {
    return this.#wake !== null && this.#length < this.#wanted;
  }

  push(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= this.#wanted) this.#wake?.();
  }

  async take(length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#length < length) {
      this.#wanted = length;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
    const taken = new Uint8Array(length);
    for (let have = 0; have < length; ) {
      const [first] = this.#parts;
      if (first === undefined) throw new Error('bytes that are not there');
      const some = first.subarray(0, length - have);
      taken.set(some, have);
      have += some.length;
      if (some.length === first.length) this.#parts.shift();
      else this.#parts[0] = first.subarray(some.length);
    }
    this.#length -= length;
    return taken;
  }

  async u8(): Promise<number> {
    const [byte = 0] = await this.take(1);
    return byte;
  }

  async u16(): Promise<number> {
    const [high = 0, low = 0] = await this.take(2);
    return high * 256 + low;
  }

  async u32(): Promise<number> {
    return Buffer.from(await this.take(4)).readUInt32BE();
  }
}
