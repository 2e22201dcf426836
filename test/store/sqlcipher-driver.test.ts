import test from 'ava';
import { sqlcipherDriver } from '../../appliance/store/sqlite/sqlcipher-driver.ts';
import { contractOf } from './driver-contract.ts';

for (const [title, body] of contractOf(sqlcipherDriver)) test(title, body);
