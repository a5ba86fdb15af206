"""The few places where the shipped web UI is changed.

Each patch is a named pattern that matches exactly once in its script; anything else stops the build.
"""

import hashlib
import re
from dataclasses import dataclass

from invokeai.app.services.ui_bundle.pin import APP_SCRIPT, INDEX_SCRIPT

PROVIDER_ORDER = ("runware", "gemini", "parasail", "openai", "seedream", "alibabacloud")
"""Order of the provider cards; providers that are not named follow in the server's order."""


class UiBundleError(Exception):
    """The web UI cannot be fetched or prepared; the message says why."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One change: `pattern` in `script` becomes `replacement` (a template for `re.Match.expand`)."""

    name: str
    purpose: str
    script: str
    pattern: str
    replacement: str

    def apply(self, text: str) -> str:
        """`text` with the one match replaced.

        Raises:
            UiBundleError: the pattern matches never or more than once.
        """
        found = list(re.finditer(self.pattern, text))
        if len(found) != 1:
            raise UiBundleError(
                f"Patch {self.name} ({self.purpose}) matches {len(found)} times in {self.script}, not once."
            )
        match = found[0]
        return text[: match.start()] + match.expand(self.replacement) + text[match.end() :]


PATCHES = (
    Patch(
        name="provider-node",
        purpose="a provider without a node of its own uses the general one",
        script=APP_SCRIPT,
        pattern=r"(([\w$]+)=[\w$]+\[([\w$]+)\.provider_id\])"
        r"(;[\w$]+\(\2,`No invocation node registered for external provider '\$\{\3\.provider_id\}'`\))",
        replacement=r"\1??`third_party_image_generation`\4",
    ),
    Patch(
        name="canvas-size",
        purpose="on the canvas a picture is asked for in the size of its box",
        script=APP_SCRIPT,
        pattern=r"(([\w$]+)\.width=([\w$]+)\.dimensions\.width,\2\.height=\3\.dimensions\.height)(,[\w$]+!==`txt2img`\)"
        r"\{[\w$]+\(([\w$]+),`Canvas manager is required for img2img/inpaint`\);let [\w$]+=[\w$]+\(([\w$]+)\),"
        r"\{rect:[\w$]+\}=([\w$]+)\(\6\))",
        replacement=r"\1,\5&&({width:\2.width,height:\2.height}=\7(\6).rect)\4",
    ),
    Patch(
        name="canvas-start",
        purpose="a new canvas begins with the size that cloud models are made for",
        script=INDEX_SCRIPT,
        pattern=r"(bbox:\{rect:\{x:0,y:0,)width:512,height:512(\},aspectRatio:[\w$]+\([\w$]+\),scaleMethod:`auto`,"
        r"scaledSize:\{)width:512,height:512(\},modelBase:)`sd-1`",
        replacement=r"\1width:1024,height:1024\2width:1024,height:1024\3`sdxl`",
    ),
    Patch(
        name="mask-layers",
        purpose="a mask can be added to the canvas while an external model is chosen, as some of them inpaint",
        script=APP_SCRIPT,
        pattern=r"(case`inpaint_mask`:([\w$]+)=![\w$]+)&&![\w$]+(;break [\w$]+;case`raster_layer`:\2=![\w$]+;break)",
        replacement=r"\1\3",
    ),
    Patch(
        name="open-picker",
        purpose="the list of models says whose each one is and what it costs",
        script=INDEX_SCRIPT,
        pattern=r"pickerCompactViewStates:\{\}",
        replacement=r"pickerCompactViewStates:{'main-model':!1,'initial-state-main-model':!1}",
    ),
    Patch(
        name="reset-provider",
        purpose="a provider's models leave the lists with its key",
        script=INDEX_SCRIPT,
        pattern=r"(`external_providers/config/\$\{[\w$]+\}`\),method:`DELETE`\}\),invalidatesTags:\[)(`AppConfig`)",
        replacement=r"\1`ModelConfig`,\2",
    ),
    Patch(
        name="provider-order",
        purpose="order of the provider cards",
        script=APP_SCRIPT,
        pattern=r"([\w$]+)=\[`gemini`,`openai`,`seedream`,`alibabacloud`\]",
        replacement=r"\1=[" + ",".join(f"`{provider}`" for provider in PROVIDER_ORDER) + "]",
    ),
    Patch(
        name="use-model",
        purpose="a picture's external model is shown among its parameters and used with them",
        script=APP_SCRIPT,
        pattern=r"(type:`MainModel`,parse:async\([\w$]+,[\w$]+\)=>\{let ([\w$]+)=await [\w$]+\("
        r"[\w$]+\([\w$]+,`model`\),[\w$]+,`main`\);return [\w$]+\()\2\.type===`main`\)",
        replacement=r"\1\2.type===`main`||\2.type===`external_image_generator`)",
    ),
    Patch(
        name="recall-model",
        purpose="an external model can be recalled",
        script=APP_SCRIPT,
        pattern=r"([\w$]+)\.type===`main`(\?\([\w$]+\([\w$]+\(\1\)\))",
        replacement=r"(\1.type===`main`||\1.type===`external_image_generator`)\2",
    ),
    Patch(
        name="generators",
        purpose="an external model that generates nothing, as an upscaler, is no choice to generate with",
        script=INDEX_SCRIPT,
        pattern=r"([\w$]+)=([\w$]+)=>!!\2&&\2\.format===`external_api`",
        replacement=r"\1=\2=>!!\2&&\2.type===`external_image_generator`",
    ),
    Patch(
        name="filter-by-hand",
        purpose="a canvas filter that runs a provider's model is not run by itself at every change of its settings",
        script=APP_SCRIPT,
        pattern=r"(\.\$filterConfig\.listen\(\(\)=>\{this\.manager\.stateApi\.getSettings\(\)\.autoProcess&&)"
        r"(this\.\$isFiltering\.get\(\)&&this\.process\(\)\}\)\),this\.subscriptions\.add\(this\.manager\.stateApi"
        r"\.createStoreSubscription\([\w$]+,([\w$]+)=>\{\3&&)(this\.\$isFiltering)",
        replacement=r"\1this.$filterConfig.get().type!==`spandrel_filter`&&"
        r"\2this.$filterConfig.get().type!==`spandrel_filter`&&\4",
    ),
    Patch(
        name="filter-by-hand-from-the-start",
        purpose="the same when the filter is opened",
        script=APP_SCRIPT,
        pattern=r"(\.getSettings\(\)\.autoProcess&&)(this\.processImmediate\(\)\})",
        replacement=r"\1this.$filterConfig.get().type!==`spandrel_filter`&&\2",
    ),
    Patch(
        name="filter-button",
        purpose="so its button stays usable where the others run by themselves",
        script=APP_SCRIPT,
        pattern=r"(filterConfig:([\w$]+),onChange:[\w$]+\}\)[^`]{0,300}`controlLayers\.filter\.process`[^`]{0,80}"
        r"let [\w$]+=[\w$]+\|\|![\w$]+\|\|[\w$]+&&[\w$]+)(,[\w$]+;[\w$]+\[)",
        replacement=r"\1&&\2.type!==`spandrel_filter`\3",
    ),
    Patch(
        name="upscale-ready",
        purpose="the Upscaling tab needs no local models beside a provider's upscaler",
        script=APP_SCRIPT,
        pattern=r"(let ([\w$]+)=[\w$]+\.model;)(if\(\2&&!\[`sd-1`,`sdxl`\]\.includes\(\2\.base\)\)[\w$]+\.push"
        r"\(\{content:[\w$]+\.t\(`upscaling\.incompatibleBaseModel`\)\}\);else if\([^;]*?([\w$]+)\.upscaleModel\|\|)",
        replacement=r"\1if(\4.upscaleModel?.base!==`external`)\3",
    ),
    Patch(
        name="upscale-warning",
        purpose="so it does not warn that there are none",
        script=APP_SCRIPT,
        pattern=r"(if\(!([\w$]+)\)\{let [\w$]+;[^`]*`upscaling\.upscaleModelDesc`[^`]*?if\([\w$]+&&[\w$]+\.length===0"
        r"\|\|[\w$]+)(\)return null;)",
        replacement=r"\1||\2?.base===`external`\3",
    ),
    Patch(
        name="upscale-graph",
        purpose="and it has the provider's upscaler do all of it",
        script=APP_SCRIPT,
        pattern=r"(=[\w$]+\.upscale;)(([\w$]+)\(([\w$]+),`No model selected`\),\3\(\4\.base===`sd-1`\|\|\4\.base"
        r"===`sdxl`,[^)]*\),\3\(([\w$]+),`No upscale model found in state`\),\3\(([\w$]+)"
        r",`No initial image found in state`\).{0,80}?"
        r"let ([\w$]+)=new ([\w$]+),[\w$]+=\7\.addNode\(\{id:([\w$]+)\(`positive_prompt`\).{0,400}?"
        r"fit_to_multiple_of_8:!0,scale:([\w$]+)\}\).{0,900}?board:([\w$]+)\(([\w$]+)\))",
        replacement=r"\1if(\5?.base===`external`){\3(\6,`No initial image found in state`);let $g=new \8,"
        r"$p=$g.addNode({id:\9(`positive_prompt`),type:`string`}),$n=$g.addNode({id:\9(`negative_prompt`),type:`string`}),"
        r"$s=$g.addNode({id:\9(`seed`),type:`integer`}),$u=$g.addNode({type:`spandrel_image_to_image_autoscale`,"
        r"id:\9(`spandrel_autoscale`),image:\6,image_to_image_model:\5,scale:\g<10>,board:\g<11>(\g<12>),"
        r"is_intermediate:!1});return $g.addEdge($p,`value`,$u,`prompt`),$g.addEdge($s,`value`,$u,`seed`),"
        r"$g.addEdgeToMetadata($p,`value`,`positive_prompt`),$g.addEdgeToMetadata($s,`value`,`seed`),"
        r"$g.setMetadataReceivingNode($u),{g:$g,seed:$s,positivePrompt:$p,negativePrompt:$n}}\2",
    ),
    Patch(
        name="keep-model",
        purpose="a selected external model survives a fetch of the model list",
        script=INDEX_SCRIPT,
        pattern=r"(\.params\.model,[\w$]+=[\w$]+\.filter\()([\w$]+)(\)\.sort\(([\w$]+)=>\4\.base===`sdxl`\?-1:1\))",
        replacement=r"\1$m=>\2($m)||$m.type===`external_image_generator`\3",
    ),
    Patch(
        name="no-eval",
        purpose="the schema library does not try whether code may be made from text, which the page's policy forbids",
        script=INDEX_SCRIPT,
        pattern=r"try\{return Function\(``\),!0\}catch\{return!1\}",
        replacement=r"return!1",
    ),
)


def patch_set_tag(patches: tuple[Patch, ...] = PATCHES) -> str:
    """Eight hex digits that change whenever a patch does; part of the names of patched scripts."""
    text = "\n".join(f"{patch.script}\t{patch.pattern}\t{patch.replacement}" for patch in patches)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def patch_script(script: str, text: str, patches: tuple[Patch, ...] = PATCHES) -> str:
    """`text` of `script` with all of its patches applied."""
    for patch in patches:
        if patch.script == script:
            text = patch.apply(text)
    return text
