-- A database belongs to its one user.
CREATE DATABASE {name} OWNER {owner}
