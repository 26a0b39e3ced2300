-- Two roles for a database of Millrace's own; run it once, by its owner or a superuser, before anything else.
-- The writing role is for workers, loads and the console's button; the reading one for the models service.
CREATE ROLE millrace_writer LOGIN PASSWORD 'change_me';
CREATE ROLE millrace_reader LOGIN PASSWORD 'change_me';
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO millrace_writer;
GRANT USAGE ON SCHEMA public TO millrace_reader;
-- Each storage version has tables of its own, so the reader's right is to whatever the writer makes.
ALTER DEFAULT PRIVILEGES FOR ROLE millrace_writer IN SCHEMA public GRANT SELECT ON TABLES TO millrace_reader;
-- The one thing that a reader writes: until when it reads which version.
CREATE TABLE millrace_leases (title text NOT NULL PRIMARY KEY, until_ms bigint NOT NULL);
ALTER TABLE millrace_leases OWNER TO millrace_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON millrace_leases TO millrace_reader;
-- Where pgvector is to be used: CREATE EXTENSION vector;
