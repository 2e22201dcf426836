// The applets as a customer gets them: what there is to download, and each download with a tag of its own (F-01).
import type { SessionGuid } from '../guid.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { writeTag, writeTagHead } from '../protocol/tag.ts';
import { type Download, type DownloadEncoding, tagDownload } from './download.ts';
import { openPrepared, type PreparedApplet } from './prepared.ts';
import { PLATFORMS, type Platform } from './tag-place.ts';

export interface AppletOffer {
  readonly platform: Platform;
  readonly version: string;
  /** As it lies on the customer's disk, and as it goes over the wire. */
  readonly bytes: number;
  readonly compressedBytes: number;
  /** Lower-case hex of the signed file without its tag; for Linux that is all but the last 94 bytes. */
  readonly sha256: string;
}

export interface TaggedWish {
  readonly platform: Platform;
  readonly guid: SessionGuid;
  /** ms UTC. */
  readonly expiresAt: number;
  /** Two letters. */
  readonly language: string;
  readonly encoding: DownloadEncoding;
}

export interface AppletDownloadsParts {
  /** The data folder's `applet/`. */
  readonly folder: string;
  /** The signer's signature over the head of a tag, 64 bytes. */
  readonly signTag: (head: Bytes) => Promise<Bytes>;
}

export class AppletDownloads {
  readonly #parts: AppletDownloadsParts;

  constructor(parts: AppletDownloadsParts) {
    this.#parts = parts;
  }

  /** Those that are built; none while they are being prepared. */
  async offers(): Promise<AppletOffer[]> {
    const found = await Promise.all(PLATFORMS.map(platform => this.#find(platform)));
    return found.flatMap(applet => (applet === undefined ? [] : [offerOf(applet)]));
  }

  /** @throws ApplianceError `applet.not-prepared`, `signer.unreachable` */
  async open({ platform, guid, expiresAt, language, encoding }: TaggedWish): Promise<Download> {
    const applet = await openPrepared(this.#parts.folder, platform);
    const head = writeTagHead({ guid, expiresAt: Math.floor(expiresAt / 1000) * 1000, language });
    return tagDownload(applet, writeTag(head, await this.#parts.signTag(head)), encoding);
  }

  async #find(platform: Platform): Promise<PreparedApplet | undefined> {
    return openPrepared(this.#parts.folder, platform).catch(() => undefined); // it says nothing but "not there yet"
  }
}

function offerOf({ platform, version, size, compressed, sha256 }: PreparedApplet): AppletOffer {
  return { platform, version, bytes: size, compressedBytes: compressed.bytes, sha256 };
}
