-- What a Drawbridge of schema 1 wrote for five changes, the last one on trial. It is what migrations start from: do not edit it.
CREATE TABLE changes (
     generation INTEGER PRIMARY KEY,
     at TEXT NOT NULL,
     actor TEXT NOT NULL,
     how TEXT NOT NULL,
     note TEXT NOT NULL,
     body TEXT NOT NULL,
     hash TEXT NOT NULL
   ) STRICT;
INSERT INTO "changes" VALUES(1,'2026-11-20T01:00:00.000Z','ada','cli','Zoë’s "lab"','{"forwards":{"web":{"before":null,"after":{"name":"web","listen":"tcp/8080","to":"10.0.0.5:80","from":["office"]}}},"lists":{"office":{"before":null,"after":["198.51.100.0/24"]}},"settings":{"before":{"privileged":false,"mark":"0x2db00000/0xfff00000","locked":false},"after":{"privileged":false,"mark":"0x2db00000/0xfff00000","locked":false}}}','69b4becbf17e460ba40b929eab33073307ca032c2c72977e62f0064f78e30860');
INSERT INTO "changes" VALUES(2,'2026-11-20T02:00:00.000Z','root','lockdown','','{"forwards":{},"lists":{},"settings":{"before":{"privileged":false,"mark":"0x2db00000/0xfff00000","locked":false},"after":{"privileged":false,"mark":"0x2db00000/0xfff00000","locked":true}}}','0283d6ac8fa9beff9b45bce0fac6f4b32b2c9057d9383fc098f0ea749bc00c6a');
INSERT INTO "changes" VALUES(3,'2026-11-20T03:00:00.000Z','root','rollback','back to generation 1','{"forwards":{"games":{"before":null,"after":{"name":"games","listen":"udp/20000-20100","to":"10.0.0.9"}}},"lists":{},"settings":{"before":{"privileged":false,"mark":"0x2db00000/0xfff00000","locked":true},"after":{"privileged":false,"mark":"0x2db00000/0xfff00000","locked":false}}}','a1070f9c2c298fe802ce13fbc7f5b0b4afc0bfc6d7565dc249ec33016c18017d');
INSERT INTO "changes" VALUES(4,'2026-11-20T04:00:00.000Z','drawbridge','expiry','','{"forwards":{"games":{"before":{"name":"games","listen":"udp/20000-20100","to":"10.0.0.9"},"after":null}},"lists":{},"settings":{"before":{"privileged":false,"mark":"0x2db00000/0xfff00000","locked":false},"after":{"privileged":false,"mark":"0x2db00000/0xfff00000","locked":false}}}','aa3b8d231191d00d5836642eaedc763258ffcb6c64c15245a5968e033abeb5d7');
INSERT INTO "changes" VALUES(5,'2026-11-20T05:00:00.000Z','ada','api','','{"forwards":{"trial":{"before":null,"after":{"name":"trial","listen":"tcp/9000","to":"10.0.0.5:80"}}},"lists":{},"settings":{"before":{"privileged":false,"mark":"0x2db00000/0xfff00000","locked":false},"after":{"privileged":false,"mark":"0x2db00000/0xfff00000","locked":false}}}','eb4858c26cbdfe56e9a523c6c5b1780593e04beba60c17457563d12f06480224');
CREATE TABLE forwards (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;
INSERT INTO "forwards" VALUES(1,'web','{"name":"web","listen":"tcp/8080","to":"10.0.0.5:80","from":["office"]}');
INSERT INTO "forwards" VALUES(3,'trial','{"name":"trial","listen":"tcp/9000","to":"10.0.0.5:80"}');
CREATE TABLE lists (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
INSERT INTO "lists" VALUES('office','["198.51.100.0/24"]');
CREATE TABLE state (
     one INTEGER PRIMARY KEY CHECK (one = 1),
     generation INTEGER NOT NULL,
     next_number INTEGER NOT NULL,
     settings TEXT NOT NULL,
     pending TEXT,
     head TEXT NOT NULL
   ) STRICT;
INSERT INTO "state" VALUES(1,5,4,'{"privileged":false,"mark":"0x2db00000/0xfff00000","locked":false}','{"base":4,"deadline":"2026-11-20T05:01:00.000Z","windowMilliseconds":60000}','eb4858c26cbdfe56e9a523c6c5b1780593e04beba60c17457563d12f06480224');
PRAGMA user_version = 1;
