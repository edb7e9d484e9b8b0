DELETE FROM ops.materializations WHERE flow = %(flow)s AND stage = %(stage)s AND key = %(key)s;
