import test from 'ava';
import { SessionList } from '../../appliance/console/session-list.ts';
import { viewOf } from './views.ts';

test('E-02 who waits longest comes first; of the closed ones the newest does', t => {
  const list = new SessionList();
  list.put(viewOf('b', { queue: 'incoming', stateAt: 2 }));
  list.put(viewOf('a', { queue: 'incoming', stateAt: 1 }));
  list.put(viewOf('c', { queue: 'closed', stateAt: 3 }));
  list.put(viewOf('d', { queue: 'closed', stateAt: 4 }));
  t.deepEqual(
    list.in('incoming').map(({ id }) => id),
    ['a', 'b'],
  );
  t.deepEqual(
    list.in('closed').map(({ id }) => id),
    ['d', 'c'],
  );
  t.is(list.count('incoming'), 2);
});

test('E-02 an event that comes while the lists are read is newer than what they say', t => {
  const list = new SessionList();
  list.put(viewOf('old', { queue: 'active' }));
  list.put(viewOf('gone', { queue: 'active' }));
  list.beginReading();
  list.put(viewOf('a', { queue: 'active', state: 'active' }));
  list.put(viewOf('new', { queue: 'incoming' }));
  list.remove('gone');
  list.endReading([viewOf('a', { queue: 'incoming', state: 'waiting' }), viewOf('gone', { queue: 'active' })]);
  t.is(list.get('a')?.state, 'active');
  t.is(list.get('new')?.queue, 'incoming');
  t.is(list.get('gone'), undefined);
  t.is(list.get('old'), undefined, 'what the lists do not name is over');
});

test('E-02 without a gap an event changes one session and leaves the others', t => {
  const list = new SessionList();
  list.put(viewOf('a', { queue: 'incoming' }));
  t.is(list.put(viewOf('a', { queue: 'active' }))?.queue, 'incoming');
  t.is(list.count('incoming'), 0);
  t.is(list.count('active'), 1);
});
