CREATE TABLE bare (id uuid PRIMARY KEY, at timestamptz NOT NULL, payload text NOT NULL)
