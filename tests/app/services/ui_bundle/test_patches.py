"""Every patch changes what it names, once, and stops the build when the script is another one."""

import pytest

from invokeai.app.services.ui_bundle.patches import PATCHES, PROVIDER_ORDER, Patch, UiBundleError, patch_set_tag

SNIPPETS = {
    "provider-node": (
        "p=m(),q$=TABLE[e.provider_id];check(q$,`No invocation node registered for external provider "
        "'${e.provider_id}'`);let g={}",
        "q$=TABLE[e.provider_id]??`third_party_image_generation`;check(q$,",
    ),
    "canvas-size": (
        "if(n$.width=s.dimensions.width,n$.height=s.dimensions.height,m!==`txt2img`){"
        "check(c,`Canvas manager is required for img2img/inpaint`);let x=grid(state),{rect:y}=box$(state),z=1}",
        "if(n$.width=s.dimensions.width,n$.height=s.dimensions.height,"
        "c&&({width:n$.width,height:n$.height}=box$(state).rect),m!==`txt2img`){check(c,",
    ),
    "canvas-start": (
        "bbox:{rect:{x:0,y:0,width:512,height:512},aspectRatio:f$(g),scaleMethod:`auto`,"
        "scaledSize:{width:512,height:512},modelBase:`sd-1`}",
        "bbox:{rect:{x:0,y:0,width:1024,height:1024},aspectRatio:f$(g),scaleMethod:`auto`,"
        "scaledSize:{width:1024,height:1024},modelBase:`sdxl`}",
    ),
    "mask-layers": (
        "switch(e){case`inpaint_mask`:a$=!busy&&!cloud;break b0;case`raster_layer`:a$=!busy;break b0;}",
        "case`inpaint_mask`:a$=!busy;break b0;case`raster_layer`:a$=!busy;break b0;",
    ),
    "open-picker": (
        "shown:!0,pickerCompactViewStates:{}",
        "pickerCompactViewStates:{'main-model':!1,'initial-state-main-model':!1}",
    ),
    "reset-provider": (
        "q:e=>({url:z0(`external_providers/config/${e}`),method:`DELETE`}),invalidatesTags:[`AppConfig`,`Other`]",
        "method:`DELETE`}),invalidatesTags:[`ModelConfig`,`AppConfig`,`Other`]",
    ),
    "provider-order": (
        "var V=[`gemini`,`openai`,`seedream`,`alibabacloud`];",
        "var V=[" + ",".join(f"`{name}`" for name in PROVIDER_ORDER) + "];",
    ),
    "use-model": (
        "x$={type:`MainModel`,parse:async(e,t)=>{let n$=await get(pick(e,`model`),t,`main`);"
        "return check(n$.type===`main`),n$}",
        "return check(n$.type===`main`||n$.type===`external_image_generator`),n$}",
    ),
    "recall-model": (
        "then(e=>{e.type===`main`?(d(f(e)),log()):warn()})",
        "(e.type===`main`||e.type===`external_image_generator`)?(d(f(e)),log()):warn()",
    ),
    "generators": (
        "q=e=>e.type===`siglip`,YE=e=>!!e&&e.format===`external_api`,H=1",
        "YE=e=>!!e&&e.type===`external_image_generator`,H=1",
    ),
    "filter-by-hand": (
        "this.subs.add(this.$filterConfig.listen(()=>{this.manager.stateApi.getSettings().autoProcess&&"
        "this.$isFiltering.get()&&this.process()})),this.subscriptions.add(this.manager.stateApi"
        ".createStoreSubscription(be,e=>{e&&this.$isFiltering.get()&&this.process()}))};",
        "autoProcess&&this.$filterConfig.get().type!==`spandrel_filter`&&this.$isFiltering.get()&&this.process()})),"
        "this.subscriptions.add(this.manager.stateApi.createStoreSubscription(be,e=>{e&&"
        "this.$filterConfig.get().type!==`spandrel_filter`&&this.$isFiltering.get()&&this.process()}))};",
    ),
    "filter-by-hand-from-the-start": (
        "this.manager.stateApi.getSettings().autoProcess&&this.processImmediate()};createInitial",
        "autoProcess&&this.$filterConfig.get().type!==`spandrel_filter`&&this.processImmediate()};",
    ),
    "filter-button": (
        "jsx(bet,{filterConfig:i,onChange:l}),t[26]=i):k=t[28];let A=n.run,j;t[29]===r?j=t[30]:(j=r("
        "`controlLayers.filter.process`),t[30]=j);let M=a||!p||s&&o,N;t[31]===r",
        "let M=a||!p||s&&o&&i.type!==`spandrel_filter`,N;t[31]===r",
    ),
    "upscale-ready": (
        "let o=r.model;if(o&&![`sd-1`,`sdxl`].includes(o.base))a.push({content:B.t("
        "`upscaling.incompatibleBaseModel`)});else if(o||a.push({content:B.t(`none`)}),"
        "n.upscaleModel||a.push(1),o){loop()}return a",
        "let o=r.model;if(n.upscaleModel?.base!==`external`)if(o&&![`sd-1`,`sdxl`].includes(o.base))a.push(",
    ),
    "upscale-warning": (
        "if(!r){let n;n=t(`upscaling.upscaleModelDesc`),a.push(n)}let y=v;if(_&&y.length===0||c)return null;let x",
        "if(_&&y.length===0||c||r?.base===`external`)return null;let x",
    ),
    "upscale-graph": (
        "let{upscaleModel:s,scale:f}=e.upscale;M(t,`No model selected`),M(t.base===`sd-1`||t.base===`sdxl`,`x`),"
        "M(s,`No upscale model found in state`),M(c,`No initial image found in state`),M(d,`Tile`);let h=new C,"
        "g=h.addNode({id:K(`positive_prompt`),type:`string`}),v=h.addNode({id:K(`up`),fit_to_multiple_of_8:!0,scale:f}),"
        "l=h.addNode({board:y(e)});",
        "=e.upscale;if(s?.base===`external`){M(c,`No initial image found in state`);let $g=new C,$p=$g.addNode({id:"
        "K(`positive_prompt`),type:`string`}),$n=$g.addNode({id:K(`negative_prompt`),type:`string`}),$s=$g.addNode({id:"
        "K(`seed`),type:`integer`}),$u=$g.addNode({type:`spandrel_image_to_image_autoscale`,id:K(`spandrel_autoscale`),"
        "image:c,image_to_image_model:s,scale:f,board:y(e),is_intermediate:!1});return",
    ),
    "keep-model": (
        "let i=t.params.model,a=e.filter($M).sort(x=>x.base===`sdxl`?-1:1),o=a[0]",
        "e.filter($m=>$M($m)||$m.type===`external_image_generator`).sort(x=>x.base===`sdxl`?-1:1)",
    ),
    "no-eval": ("allowed=()=>{try{return Function(``),!0}catch{return!1}}", "allowed=()=>{return!1}"),
}


def test_every_patch_has_a_snippet() -> None:
    assert {patch.name for patch in PATCHES} == set(SNIPPETS)


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
class TestPatch:
    def test_changes_its_place_and_nothing_else(self, patch: Patch) -> None:
        before, expected = SNIPPETS[patch.name]
        after = patch.apply(f"head;{before};tail")
        assert expected in after
        assert after.startswith("head;") and after.endswith(";tail")

    def test_is_refused_where_it_matches_twice(self, patch: Patch) -> None:
        before = SNIPPETS[patch.name][0]
        with pytest.raises(UiBundleError, match=f"Patch {patch.name} .* matches 2 times"):
            patch.apply(before + ";" + before)

    def test_is_refused_where_it_matches_never(self, patch: Patch) -> None:
        with pytest.raises(UiBundleError, match=f"Patch {patch.name} .* matches 0 times"):
            patch.apply("let nothing=1")

    def test_does_not_match_its_own_result(self, patch: Patch) -> None:
        with pytest.raises(UiBundleError):
            patch.apply(patch.apply(SNIPPETS[patch.name][0]))


def test_the_tag_changes_with_a_patch() -> None:
    other = Patch("x", "x", "x.js", "x", "y")
    assert patch_set_tag() != patch_set_tag((*PATCHES, other))
    assert patch_set_tag() == patch_set_tag(PATCHES)
