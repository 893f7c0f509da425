import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Language, loaded } from '../language/language.js';
import { dayGroup } from '../view/calendar.js';

await loaded('zh');

const NOON = new Date(2031, 4, 14, 12).getTime();
const before = (days, hour = 12) => new Date(2031, 4, 14 - days, hour).getTime();

test('a moment belongs to its day by the user\'s own clock, whatever its hour', () => {
  assert.equal(dayGroup(before(0, 0), NOON), 'today');
  assert.equal(dayGroup(before(1, 23), NOON), 'yesterday');
  assert.equal(dayGroup(before(1, 0), NOON), 'yesterday');
  assert.equal(dayGroup(before(2, 23), NOON), 'week');
  assert.equal(dayGroup(before(7, 0), NOON), 'week');
  assert.equal(dayGroup(before(8, 23), NOON), 'older');
  assert.equal(dayGroup(before(-1), NOON), 'today', 'the agent\'s clock is ahead');
});

test('a day of 23 or 25 hours is one day', () => {
  const zone = process.env.TZ;
  process.env.TZ = 'Europe/Berlin';
  const day = (month, date, hour) => new Date(2031, month, date, hour).getTime();
  assert.equal(dayGroup(day(2, 30, 23), day(2, 31, 1)), 'yesterday', 'after the day of 23 hours');
  assert.equal(dayGroup(day(9, 20, 1), day(9, 27, 23)), 'week', 'a week with the day of 25 hours');
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

test('an entry of today shows its time, one of this week its weekday, and an older one its date', () => {
  const shown = (code, group, moment) => new Language(code).momentIn(group, moment, NOON);
  assert.match(shown('en', 'today', before(0, 9)), /09:00/);
  assert.match(shown('en', 'yesterday', before(1, 9)), /09:00/);
  assert.equal(shown('en', 'week', before(3)), 'Sunday');
  assert.equal(shown('zh', 'week', before(3)), '星期日');
  assert.equal(shown('en', 'older', before(40)), 'Apr 4');
  assert.match(shown('zh', 'older', before(400)), /2030年4月9日/);
});
