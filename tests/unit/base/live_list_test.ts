import { assertEquals } from "../../support/assert.ts";
import { type Listed, LiveList } from "../../../lib/base/live_list.ts";

class Member implements Listed {
  listIndex = -1;
  constructor(readonly name: string) {}
}

Deno.test("LiveList.remove() keeps every other member, wherever the leaving one stood", () => {
  for (const leaving of [0, 1, 2]) {
    const members = ["a", "b", "c"].map((name) => new Member(name));
    const list = new LiveList<Member>();
    for (const member of members) list.add(member);
    assertEquals(list.remove(members[leaving]), true);
    assertEquals(list.remove(members[leaving]), false);
    assertEquals(list.size, 2);
    const left = members.filter((_, index) => index !== leaving);
    assertEquals(list.snapshot().sort((a, b) => a.name < b.name ? -1 : 1), left);
    for (const member of left) assertEquals(list.snapshot()[member.listIndex], member);
    for (const member of left) assertEquals(list.remove(member), true);
    assertEquals(list.size, 0);
  }
});
