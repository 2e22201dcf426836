// What is typed at first setup, checked by the rules of `appliance.yaml`.
import { isIP } from 'node:net';
import { parseConfig } from '../../config.ts';
import { ApplianceError } from '../../errors.ts';

const MAX_ORGANISATION_CHARACTERS = 120;

/** @throws ApplianceError `setup.organisation` */
export function parseOrganisation(text: string): string {
  const name = text.trim().normalize('NFC');
  if (name.length > 0 && name.length <= MAX_ORGANISATION_CHARACTERS && !/\p{C}/u.test(name)) return name;
  throw new ApplianceError('malformed', 'setup.organisation', 'a name of 1 to 120 characters is needed');
}

/** @throws ApplianceError `setup.time-zone` */
export function parseTimeZone(text: string): string {
  if (isGood({ organisation: { timeZone: text } })) return text;
  throw new ApplianceError('malformed', 'setup.time-zone', 'choose a time zone of the list');
}

/** @param text names or addresses, parted by commas, spaces or lines @throws ApplianceError `setup.names` */
export function parseNames(text: string): string[] {
  const names = [
    ...new Set(
      text
        .toLowerCase()
        .split(/[\s,;]+/)
        .filter(Boolean),
    ),
  ];
  const isNamed = names.some(name => isIP(name) === 0);
  if (isNamed && names.length > 0 && isGood({ names })) return names;
  throw new ApplianceError('malformed', 'setup.names', 'that is not a list of names', {
    hint: 'DNS names such as support.example.com, at least one, parted by commas.',
  });
}

function isGood(tree: Record<string, unknown>): boolean {
  try {
    parseConfig(JSON.stringify({ version: 1, ...tree })); // JSON is YAML
    return true;
  } catch (error) {
    if (error instanceof ApplianceError && error.code === 'config.malformed') return false;
    throw error;
  }
}
