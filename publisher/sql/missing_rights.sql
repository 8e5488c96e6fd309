-- The rights of this role that are wanted and missing, as "SELECT ON table".
SELECT current_user::text, wanted.privilege || ' ON ' || wanted.tab
FROM unnest(%(tables)s::text[], %(privileges)s::text[]) AS wanted (tab, privilege)
WHERE NOT has_table_privilege(to_regclass(wanted.tab), wanted.privilege)
ORDER BY 2
