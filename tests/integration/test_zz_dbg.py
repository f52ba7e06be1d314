import pytest, random, json
from tests.deciding import *
from tests.integration.test_decisions import attempt, chance, DECISIONS
import tests.integration.test_decisions as T
from facefind.errors import UsageError
@pytest.mark.parametrize("grouping",[False,True])
@pytest.mark.parametrize("seed",range(12))
def test_dbg(store, chance, sql, grouping):
    log=[]
    orig=T.attempt
    def att(turn, number, sql):
        try:
            r=orig(turn,number,sql); log.append((turn.__name__,number,str(r) if r else 'ok', r and r.hint)); return r
        except AssertionError:
            log.append((turn.__name__,number,'FAIL')); raise
    T.attempt=att
    try:
        T.test_in_any_order_a_decision_alone_is_undone_or_nothing(store, chance, sql, grouping)
    except AssertionError as e:
        for l in log[-12:]: print(l)
        d,t=decided(sql),told(sql)
        bad=[k for k in set(d)|set(t) if d.get(k)!=t.get(k)]
        import facefind.store.undoing as U, unittest.mock as m
        if log[-1][2]!='FAIL' and log[-1][3]=='':
            real=U._refusal
            def spy(work,*a):
                for i in work.images:
                    n=work.now.get((i.relation,i.key))
                    if not U._alike(n,i.expected): 
                        print('MISMATCH',i,'NOW',n)
                        for r in rows(sql,"select d.id,d.revision,d.kind,d.undone_at is null,c.before,c.after,c.instead_of from decisions d join decision_changes c on d.id=decision_id where relation=%s and key=%s order by d.id,c.id",i.relation,i.key): print(r)
                return real(work,*a)
            with m.patch.object(U,'_refusal',spy):
                try: getattr(store,log[-1][0])(log[-1][1])
                except UsageError: pass
        for k in bad:
            print(k, d.get(k), '| told', t.get(k))
            for r in rows(sql,"select d.id,d.revision,d.kind,d.undone_at is null,c.before,c.after from decisions d join decision_changes c on d.id=decision_id where relation=%s and key=%s order by d.id,c.id",k[0],k[1]): print(r)
        raise
    finally: T.attempt=orig
