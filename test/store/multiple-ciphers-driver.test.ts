import test from 'ava';
import { contractOf } from './driver-contract.ts';
import { multipleCiphersDriver } from './multiple-ciphers-driver.ts';

for (const [title, body] of contractOf(multipleCiphersDriver)) test(title, body);
