-- complain if the script is sourced in psql rather than by CREATE EXTENSION
\echo Use "CREATE EXTENSION loyalty" to load this file. \quit

-- Fails when the schema exists, so nobody can have planted an object in it.
CREATE SCHEMA loyalty;

COMMENT ON SCHEMA loyalty IS 'membership programme: points, tiers, stored value, rules and events';
